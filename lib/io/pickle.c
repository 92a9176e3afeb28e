/* A pickle machine (Python's pickletools describes the opcodes) that knows containers, numbers, text and the few calls
 * by which torch rebuilds tensors. A class of a TorchScript module becomes a bag of attributes. There is no call of
 * anything else, no import and no evaluation; what is not in the tables below is refused. All values live in one arena
 * whose size is bounded by the length of the pickle. */
#include "io/pickle.h"

#include "io/pickle_value.h"

enum {
	MAX_STACK = 1 << 20,
	MAX_MEMO = 1 << 22,
	PROTOCOL = 5,
};

static bool take(machine *m, size_t n, const unsigned char **out)
{
	if ((size_t)(m->end - m->p) < n) {
		vla_fail(&m->err, VLA_ETRUNC, "the pickle ends inside an instruction");
		return false;
	}
	*out = m->p;
	m->p += n;
	return true;
}

static uint64_t number(const unsigned char *p, size_t n)
{
	uint64_t x = 0;
	while (n--)
		x = x << 8 | p[n];
	return x;
}

static bool refuse(machine *m, const char *what)
{
	vla_fail(&m->err, VLA_EFORMAT, "bad pickle: %s", what);
	return false;
}

static bool push(machine *m, value v)
{
	if (m->n == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 256;
		if (cap > MAX_STACK)
			return refuse(m, "too many values at once");
		value *s = vla_realloc(m->stack, cap, sizeof *s);
		if (!s)
			return vla_nomem(&m->err) == VLA_OK;
		m->stack = s;
		m->cap = cap;
	}
	m->stack[m->n++] = v;
	return true;
}

static bool pop(machine *m, value *out)
{
	if (m->n == 0 || m->stack[m->n - 1].type == V_MARK)
		return refuse(m, "a value is missing");
	*out = m->stack[--m->n];
	return true;
}

// Index of the first value after the topmost mark.
static bool find_mark(machine *m, size_t *out)
{
	for (size_t i = m->n; i-- > 0;)
		if (m->stack[i].type == V_MARK) {
			*out = i + 1;
			return true;
		}
	return refuse(m, "a mark is missing");
}

static bool new_list(machine *m, list **out)
{
	list *l = vla_arena_zalloc(m->arena, 1, sizeof *l);
	if (!l)
		return vla_nomem(&m->err) == VLA_OK;
	*out = l;
	return true;
}

static bool extend(machine *m, list *l, const value *v, size_t n)
{
	if (l->n + n > l->cap) {
		size_t cap = l->cap * 2 > l->n + n ? l->cap * 2 : l->n + n;
		value *p = vla_arena_alloc(m->arena, cap, sizeof *p);
		if (!p)
			return vla_nomem(&m->err) == VLA_OK;
		if (l->n)
			memcpy(p, l->v, l->n * sizeof *p);
		l->v = p;
		l->cap = cap;
	}
	if (n)
		memcpy(l->v + l->n, v, n * sizeof *v);
	l->n += n;
	return true;
}

/* --- scalars and text --- */
static bool op_proto(machine *m, unsigned arg)
{
	const unsigned char *p;
	(void)arg;
	if (!take(m, 1, &p))
		return false;
	return *p <= PROTOCOL || refuse(m, "an unknown protocol");
}

static bool op_frame(machine *m, unsigned arg)
{
	const unsigned char *p;
	return take(m, arg, &p); // the frame's length: reading is from memory anyway
}

static bool op_stop(machine *m, unsigned arg)
{
	(void)arg;
	m->stopped = true;
	return true;
}

static bool op_mark(machine *m, unsigned arg)
{
	(void)arg;
	return push(m, (value){ .type = V_MARK });
}

static bool op_pop(machine *m, unsigned arg)
{
	value v;
	(void)arg;
	return pop(m, &v);
}

static bool op_const(machine *m, unsigned arg)
{
	return push(m, arg > 1 ? (value){ .type = V_NONE } : (value){ .type = V_INT, .i = (int64_t)arg });
}

static bool op_int(machine *m, unsigned arg)
{
	const unsigned char *p;
	if (!take(m, arg, &p))
		return false;
	uint64_t x = number(p, arg);
	return push(m, (value){ .type = V_INT, .i = arg == 4 ? (int64_t)(int32_t)(uint32_t)x : (int64_t)x });
}

// LONG1: a length and as many bytes in two's complement; more than 64 bits are no size of anything here.
static bool op_long(machine *m, unsigned arg)
{
	const unsigned char *p;
	(void)arg;
	if (!take(m, 1, &p))
		return false;
	size_t n = *p;
	if (!take(m, n, &p))
		return false;
	if (n > 8)
		return push(m, (value){ .type = V_OTHER });
	uint64_t x = number(p, n);
	if (n && n < 8 && p[n - 1] & 0x80)
		x |= ~(uint64_t)0 << 8 * n;
	return push(m, (value){ .type = V_INT, .i = (int64_t)x });
}

static bool op_skip(machine *m, unsigned arg)
{
	const unsigned char *p;
	return take(m, arg, &p) && push(m, (value){ .type = V_OTHER });
}

static bool op_text(machine *m, unsigned arg)
{
	const unsigned char *p;
	if (!take(m, arg, &p))
		return false;
	uint64_t n = number(p, arg);
	if (n > VLA_PICKLE_MAX || !take(m, (size_t)n, &p))
		return m->err.code ? false : refuse(m, "a text longer than the file");
	return push(m, (value){ .type = V_TEXT, .text = { (const char *)p, (size_t)n } });
}

/* --- memo --- */
static bool put(machine *m, size_t i)
{
	if (i >= MAX_MEMO || m->n == 0 || m->stack[m->n - 1].type == V_MARK)
		return refuse(m, "a bad place in the memo");
	if (i >= m->nmemo) {
		size_t n = i + i / 2 + 64;
		value *p = vla_realloc(m->memo, n, sizeof *p);
		if (!p)
			return vla_nomem(&m->err) == VLA_OK;
		for (size_t k = m->nmemo; k < n; k++)
			p[k] = (value){ .type = V_MARK }; // nothing there
		m->memo = p;
		m->nmemo = n;
	}
	m->memo[i] = m->stack[m->n - 1];
	return true;
}

static bool op_put(machine *m, unsigned arg)
{
	const unsigned char *p;
	return take(m, arg, &p) && put(m, (size_t)number(p, arg));
}

static bool op_memoize(machine *m, unsigned arg)
{
	(void)arg;
	return put(m, m->memoized++);
}

static bool op_get(machine *m, unsigned arg)
{
	const unsigned char *p;
	if (!take(m, arg, &p))
		return false;
	size_t i = (size_t)number(p, arg);
	if (i >= m->nmemo || m->memo[i].type == V_MARK)
		return refuse(m, "nothing at that place of the memo");
	return push(m, m->memo[i]);
}

/* --- containers --- */
static bool op_empty(machine *m, unsigned arg)
{
	value v = { .type = (vtype)arg };
	return new_list(m, &v.list) && push(m, v);
}

// Tuple of the values above the mark (arg 0) or of the topmost `arg` ones.
static bool op_tuple(machine *m, unsigned arg)
{
	size_t at;
	value v = { .type = V_TUPLE };
	if (arg) {
		value unused;
		for (unsigned i = 0; i < arg; i++)
			if (!pop(m, &unused))
				return false;
		at = m->n;
	} else if (find_mark(m, &at)) {
		arg = (unsigned)(m->n - at);
		m->n = at - 1;
	} else {
		return false;
	}
	return new_list(m, &v.list) && extend(m, v.list, m->stack + at, arg) && push(m, v);
}

static bool top_list(machine *m, size_t below, bool pairs, list **out)
{
	value *v = below && below <= m->n ? &m->stack[below - 1] : NULL;
	if (!v || v->type != (pairs ? V_DICT : V_LIST))
		return refuse(m, pairs ? "items set in what is no dict" : "items added to what is no list");
	*out = v->list;
	return true;
}

// APPENDS and SETITEMS: the values above the mark go into the container below it.
static bool op_items(machine *m, unsigned pairs)
{
	size_t at;
	list *l;
	if (!find_mark(m, &at) || !top_list(m, at - 1, pairs, &l))
		return false;
	if (pairs && (m->n - at) % 2)
		return refuse(m, "a key without a value");
	bool good = extend(m, l, m->stack + at, m->n - at);
	m->n = at - 1;
	return good;
}

static bool op_item(machine *m, unsigned pairs)
{
	size_t n = pairs ? 2 : 1;
	list *l;
	if (m->n <= n)
		return refuse(m, "a value is missing");
	if (!top_list(m, m->n - n, pairs, &l) || !extend(m, l, m->stack + m->n - n, n))
		return false;
	m->n -= n;
	return true;
}

/* --- globals and calls: see pickle_call.c --- */
static bool line(machine *m, const char **s, size_t *n)
{
	const unsigned char *end = memchr(m->p, '\n', (size_t)(m->end - m->p));
	if (!end) {
		vla_fail(&m->err, VLA_ETRUNC, "the pickle ends inside a name");
		return false;
	}
	*s = (const char *)m->p;
	*n = (size_t)(end - m->p);
	m->p = end + 1;
	return true;
}

static bool op_global(machine *m, unsigned arg)
{
	const char *module, *name;
	size_t module_n, name_n;
	value v;
	(void)arg;
	return line(m, &module, &module_n) && line(m, &name, &name_n) &&
	       pickle_global(m, module, module_n, name, name_n, &v) && push(m, v);
}

static bool op_stack_global(machine *m, unsigned arg)
{
	value module, name, v;
	(void)arg;
	if (!pop(m, &name) || !pop(m, &module))
		return false;
	if (module.type != V_TEXT || name.type != V_TEXT)
		return refuse(m, "a global without a name");
	return pickle_global(m, module.text.p, module.text.n, name.text.p, name.text.n, &v) && push(m, v);
}

static bool op_persid(machine *m, unsigned arg)
{
	value id, v;
	(void)arg;
	return pop(m, &id) && pickle_storage(m, &id, &v) && push(m, v);
}

static bool op_reduce(machine *m, unsigned arg)
{
	value args, f, v;
	(void)arg;
	return pop(m, &args) && pop(m, &f) && pickle_call(m, &f, &args, 0, &v) && push(m, v);
}

static bool op_newobj(machine *m, unsigned arg)
{
	value args, class, v = { .type = V_OBJECT };
	(void)arg;
	if (!pop(m, &args) || !pop(m, &class))
		return false;
	if (class.type != V_GLOBAL || class.global != G_MODULE)
		return refuse(m, "an object of what is no module");
	return new_list(m, &v.list) && push(m, v);
}

// A module takes its attributes; what torch hangs on dicts and tensors besides does not matter here.
static bool op_build(machine *m, unsigned arg)
{
	value state;
	(void)arg;
	if (!pop(m, &state))
		return false;
	if (m->n == 0)
		return refuse(m, "a state of nothing");
	value *v = &m->stack[m->n - 1];
	if (v->type == V_DICT || v->type == V_TENSOR)
		return true;
	if (v->type != V_OBJECT || state.type != V_DICT)
		return refuse(m, "a state of what has none");
	return extend(m, v->list, state.list->v, state.list->n);
}

static const struct {
	bool (*fn)(machine *m, unsigned arg);
	unsigned arg;
} ops[256] = {
	[0x80] = { op_proto, 0 },      [0x95] = { op_frame, 8 },        ['.'] = { op_stop, 0 },
	['('] = { op_mark, 0 },        ['0'] = { op_pop, 0 },           ['N'] = { op_const, 2 },
	[0x88] = { op_const, 1 },      [0x89] = { op_const, 0 },        ['J'] = { op_int, 4 },
	['K'] = { op_int, 1 },         ['M'] = { op_int, 2 },           [0x8a] = { op_long, 0 },
	['G'] = { op_skip, 8 },        ['X'] = { op_text, 4 },          [0x8c] = { op_text, 1 },
	['U'] = { op_text, 1 },        ['T'] = { op_text, 4 },          ['q'] = { op_put, 1 },
	['r'] = { op_put, 4 },         [0x94] = { op_memoize, 0 },      ['h'] = { op_get, 1 },
	['j'] = { op_get, 4 },         [']'] = { op_empty, V_LIST },    ['}'] = { op_empty, V_DICT },
	[')'] = { op_empty, V_TUPLE }, ['t'] = { op_tuple, 0 },         [0x85] = { op_tuple, 1 },
	[0x86] = { op_tuple, 2 },      [0x87] = { op_tuple, 3 },        ['a'] = { op_item, 0 },
	['e'] = { op_items, 0 },       ['s'] = { op_item, 1 },          ['u'] = { op_items, 1 },
	['c'] = { op_global, 0 },      [0x93] = { op_stack_global, 0 }, ['Q'] = { op_persid, 0 },
	['R'] = { op_reduce, 0 },      [0x81] = { op_newobj, 0 },       ['b'] = { op_build, 0 },
};

static bool run(machine *m)
{
	while (!m->stopped) {
		const unsigned char *op;
		if (!take(m, 1, &op))
			return false;
		if (!ops[*op].fn) {
			vla_fail(&m->err, VLA_EUNSUPPORTED,
				 "the pickle holds the instruction 0x%02x, which rebuilding tensors does not need",
				 *op);
			return false;
		}
		if (!ops[*op].fn(m, ops[*op].arg))
			return false;
	}
	return m->n == 1 || refuse(m, "it leaves not one value");
}

vla_status vla_pickle_tensors(const void *p, size_t n, vla_arena *arena, vla_pickle_tensor **out, size_t *count,
			      vla_err *err)
{
	machine m = { .p = p, .end = (const unsigned char *)p + n };
	if (n > VLA_PICKLE_MAX)
		return vla_fail(err, VLA_EUNSUPPORTED, "a pickle of %zu bytes", n);
	if (!(m.arena = vla_arena_new((size_t)1 << 18)))
		return vla_nomem(err);
	if (run(&m))
		pickle_collect(&m, &m.stack[0], arena, out, count);
	vla_arena_free(m.arena);
	free(m.stack);
	free(m.memo);
	if (m.err.code != VLA_OK && err)
		*err = m.err;
	return m.err.code;
}
