/* The globals that a pickle of tensors may name, what calling them gives, and the walk over the result. */
#include "io/pickle_value.h"

enum {
	MAX_NESTING = 64,
	MAX_NAME = 512,
	MAX_VISITS = 1 << 22, // a shared value is met once for each way to it
};

static const struct {
	const char *module, *name;
	global global;
	vla_dtype dtype;
} globals[] = {
	{ "collections", "OrderedDict", G_ORDERED_DICT, VLA_F32 },
	{ "torch._utils", "_rebuild_tensor_v2", G_TENSOR, VLA_F32 },
	{ "torch._utils", "_rebuild_tensor_v3", G_TENSOR3, VLA_F32 },
	{ "torch._utils", "_rebuild_parameter", G_PARAMETER, VLA_F32 },
	{ "torch._utils", "_rebuild_parameter_with_state", G_PARAMETER, VLA_F32 },
	{ "torch._tensor", "_rebuild_from_type_v2", G_TYPED, VLA_F32 },
	{ "torch", "Size", G_SAME, VLA_F32 },
	{ "torch.jit._pickle", "build_intlist", G_SAME, VLA_F32 },
	{ "torch.jit._pickle", "build_doublelist", G_SAME, VLA_F32 },
	{ "torch.jit._pickle", "build_boollist", G_SAME, VLA_F32 },
	{ "torch.jit._pickle", "build_tensorlist", G_SAME, VLA_F32 },
	{ "torch.jit._pickle", "restore_type_tag", G_SAME, VLA_F32 },
	{ "torch", "Tensor", G_CLASS, VLA_F32 },
	{ "torch.nn.parameter", "Parameter", G_CLASS, VLA_F32 },
	{ "torch.nn.parameter", "Buffer", G_CLASS, VLA_F32 },
	{ "torch", "FloatStorage", G_STORAGE, VLA_F32 },
	{ "torch", "HalfStorage", G_STORAGE, VLA_F16 },
	{ "torch", "BFloat16Storage", G_STORAGE, VLA_BF16 },
	{ "torch", "DoubleStorage", G_STORAGE, VLA_F64 },
	{ "torch", "LongStorage", G_STORAGE, VLA_I64 },
	{ "torch", "IntStorage", G_STORAGE, VLA_I32 },
	{ "torch", "ShortStorage", G_STORAGE, VLA_I16 },
	{ "torch", "CharStorage", G_STORAGE, VLA_I8 },
	{ "torch", "ByteStorage", G_STORAGE, VLA_U8 },
	{ "torch", "BoolStorage", G_STORAGE, VLA_BOOL },
	{ "torch.storage", "UntypedStorage", G_STORAGE, VLA_U8 },
	{ "torch", "float32", G_DTYPE, VLA_F32 },
	{ "torch", "float16", G_DTYPE, VLA_F16 },
	{ "torch", "bfloat16", G_DTYPE, VLA_BF16 },
	{ "torch", "float64", G_DTYPE, VLA_F64 },
	{ "torch", "int64", G_DTYPE, VLA_I64 },
	{ "torch", "int32", G_DTYPE, VLA_I32 },
	{ "torch", "int16", G_DTYPE, VLA_I16 },
	{ "torch", "int8", G_DTYPE, VLA_I8 },
	{ "torch", "uint8", G_DTYPE, VLA_U8 },
	{ "torch", "uint16", G_DTYPE, VLA_U16 },
	{ "torch", "uint32", G_DTYPE, VLA_U32 },
	{ "torch", "uint64", G_DTYPE, VLA_U64 },
	{ "torch", "bool", G_DTYPE, VLA_BOOL },
	{ "torch", "float8_e4m3fn", G_DTYPE, VLA_F8_E4M3 },
	{ "torch", "float8_e5m2", G_DTYPE, VLA_F8_E5M2 },
};
#define NGLOBALS (sizeof globals / sizeof globals[0])

static bool same(const char *s, const char *p, size_t n)
{
	return strlen(s) == n && memcmp(s, p, n) == 0;
}

bool pickle_global(machine *m, const char *module, size_t module_n, const char *name, size_t name_n, value *out)
{
	static const char script[] = "__torch__.";
	for (size_t i = 0; i < NGLOBALS; i++)
		if (same(globals[i].module, module, module_n) && same(globals[i].name, name, name_n)) {
			*out = (value){ .type = V_GLOBAL, .global = globals[i].global, .dtype = globals[i].dtype };
			return true;
		}
	if (module_n >= sizeof script - 1 && memcmp(module, script, sizeof script - 1) == 0) {
		*out = (value){ .type = V_GLOBAL, .global = G_MODULE };
		return true;
	}
	vla_fail(&m->err, VLA_EUNSUPPORTED,
		 "the pickle names '%.*s.%.*s', which rebuilding tensors does not need; it is refused",
		 (int)(module_n < 80 ? module_n : 80), module, (int)(name_n < 80 ? name_n : 80), name);
	return false;
}

static bool bad(machine *m, const char *what)
{
	vla_fail(&m->err, VLA_EFORMAT, "bad pickle: %s", what);
	return false;
}

static const value *item(const value *v, size_t i)
{
	static const value none = { .type = V_NONE };
	return v->type == V_TUPLE && i < v->list->n ? &v->list->v[i] : &none;
}

static char *copy_text(vla_arena *a, const char *p, size_t n)
{
	char *s = vla_arena_alloc(a, n + 1, 1);
	if (s) {
		memcpy(s, p, n);
		s[n] = 0;
	}
	return s;
}

// ("storage", a storage class, key, device, elements).
bool pickle_storage(machine *m, const value *id, value *out)
{
	const value *tag = item(id, 0), *class = item(id, 1), *key = item(id, 2), *n = item(id, 4);
	if (tag->type != V_TEXT || !same("storage", tag->text.p, tag->text.n) || class->type != V_GLOBAL ||
	    class->global != G_STORAGE || key->type != V_TEXT || n->type != V_INT || n->i < 0)
		return bad(m, "a reference to what is no storage");
	if (key->text.n == 0 || key->text.n > 128 || memchr(key->text.p, 0, key->text.n))
		return bad(m, "a storage without a proper key");
	vla_pickle_tensor *t = vla_arena_zalloc(m->arena, 1, sizeof *t);
	if (!t || !(t->key = copy_text(m->arena, key->text.p, key->text.n)))
		return vla_nomem(&m->err) == VLA_OK;
	t->dtype = class->dtype;
	t->storage = (uint64_t)n->i;
	*out = (value){ .type = V_STORAGE, .tensor = t };
	return true;
}

static bool sizes(machine *m, const value *v, uint64_t *out, unsigned *n)
{
	if (v->type != V_TUPLE && v->type != V_LIST)
		return bad(m, "a tensor without a shape");
	if (v->list->n > VLA_MAX_DIMS) {
		vla_fail(&m->err, VLA_EUNSUPPORTED, "a tensor of %zu dimensions, more than %d", v->list->n,
			 VLA_MAX_DIMS);
		return false;
	}
	*n = (unsigned)v->list->n;
	for (unsigned i = 0; i < *n; i++) {
		if (v->list->v[i].type != V_INT || v->list->v[i].i < 0)
			return bad(m, "a tensor with a bad shape");
		out[i] = (uint64_t)v->list->v[i].i;
	}
	return true;
}

// (storage, offset, shape, strides, ...); form 3 has the dtype in place 6.
static bool tensor(machine *m, const value *args, bool typed, value *out)
{
	const value *s = item(args, 0), *offset = item(args, 1), *dtype = item(args, 6);
	unsigned n;
	if (s->type != V_STORAGE || offset->type != V_INT || offset->i < 0)
		return bad(m, "a tensor without a storage");
	vla_pickle_tensor *t = vla_arena_alloc(m->arena, 1, sizeof *t);
	if (!t)
		return vla_nomem(&m->err) == VLA_OK;
	*t = *s->tensor;
	t->offset = (uint64_t)offset->i;
	if (!sizes(m, item(args, 2), t->dim, &t->ndim) || !sizes(m, item(args, 3), t->stride, &n))
		return false;
	if (n != t->ndim)
		return bad(m, "a tensor with a bad shape");
	if (typed) {
		if (dtype->type != V_GLOBAL || dtype->global != G_DTYPE)
			return bad(m, "a tensor without an element type");
		t->dtype = dtype->dtype;
		t->storage /= vla_dtype_size(t->dtype); // it was in bytes
	}
	*out = (value){ .type = V_TENSOR, .tensor = t };
	return true;
}

static bool ordered_dict(machine *m, const value *args, value *out)
{
	*out = (value){ .type = V_DICT, .list = vla_arena_zalloc(m->arena, 1, sizeof(list)) };
	if (!out->list)
		return vla_nomem(&m->err) == VLA_OK;
	if (args->type != V_TUPLE || args->list->n)
		return bad(m, "an OrderedDict made of something");
	return true;
}

bool pickle_call(machine *m, const value *f, const value *args, unsigned depth, value *out)
{
	if (f->type != V_GLOBAL || args->type != V_TUPLE || depth > MAX_NESTING)
		return bad(m, "a call of what cannot be called");
	switch (f->global) {
	case G_ORDERED_DICT: return ordered_dict(m, args, out);
	case G_TENSOR: return tensor(m, args, false, out);
	case G_TENSOR3: return tensor(m, args, true, out);
	case G_PARAMETER:
		if (item(args, 0)->type != V_TENSOR)
			return bad(m, "a parameter that is no tensor");
		*out = *item(args, 0);
		return true;
	case G_TYPED: return pickle_call(m, item(args, 0), item(args, 2), depth + 1, out);
	case G_SAME: *out = *item(args, 0); return true;
	default: return bad(m, "a call of what cannot be called");
	}
}

/* --- the walk --- */
struct walk {
	machine *m;
	vla_arena *arena; // of the result
	vla_pickle_tensor *t;
	size_t n, cap, visits;
	char name[MAX_NAME + 1];
};

static bool found(struct walk *w, const vla_pickle_tensor *t, size_t name_n)
{
	if (w->n == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 256;
		vla_pickle_tensor *p = vla_arena_alloc(w->arena, cap, sizeof *p);
		if (!p)
			return vla_nomem(&w->m->err) == VLA_OK;
		if (w->n)
			memcpy(p, w->t, w->n * sizeof *p);
		w->t = p;
		w->cap = cap;
	}
	vla_pickle_tensor *x = &w->t[w->n];
	*x = *t;
	if (!(x->name = copy_text(w->arena, w->name, name_n)) ||
	    !(x->key = copy_text(w->arena, t->key, strlen(t->key))))
		return vla_nomem(&w->m->err) == VLA_OK;
	w->n++;
	return true;
}

// Visits the values of a dict or module whose own name is the first at bytes of w->name.
static bool visit(struct walk *w, const value *v, size_t at, unsigned depth)
{
	if (++w->visits > MAX_VISITS || depth > MAX_NESTING)
		return bad(w->m, "containers too deep or too many");
	if (v->type == V_TENSOR)
		return at == 0 || found(w, v->tensor, at);
	if (v->type != V_DICT && v->type != V_OBJECT)
		return true;
	for (size_t i = 0; i + 1 < v->list->n; i += 2) {
		const value *key = &v->list->v[i], *x = &v->list->v[i + 1];
		if (x->type != V_TENSOR && x->type != V_DICT && x->type != V_OBJECT)
			continue;
		size_t dot = at != 0, n = key->text.n;
		if (key->type != V_TEXT)
			continue;
		if (n == 0 || n > MAX_NAME - at - dot || memchr(key->text.p, 0, n))
			return bad(w->m, "a tensor without a proper name");
		if (dot)
			w->name[at] = '.';
		memcpy(w->name + at + dot, key->text.p, n);
		if (!visit(w, x, at + dot + n, depth + 1))
			return false;
	}
	return true;
}

// Training checkpoints keep the weights beside the optimiser's state.
static const value *weights(const value *root)
{
	for (size_t i = 0; root->type == V_DICT && i + 1 < root->list->n; i += 2) {
		const value *key = &root->list->v[i], *v = key + 1;
		if (key->type == V_TEXT && same("state_dict", key->text.p, key->text.n) && v->type == V_DICT)
			return v;
	}
	return root;
}

// Data-parallel training puts one word before all names.
static void strip_module(struct walk *w)
{
	static const char word[] = "module.";
	for (size_t i = 0; i < w->n; i++)
		if (strncmp(w->t[i].name, word, sizeof word - 1) != 0 || !w->t[i].name[sizeof word - 1])
			return;
	for (size_t i = 0; i < w->n; i++)
		w->t[i].name += sizeof word - 1;
}

void pickle_collect(machine *m, const value *root, vla_arena *arena, vla_pickle_tensor **out, size_t *count)
{
	struct walk w = { .m = m, .arena = arena };
	if (root->type != V_DICT && root->type != V_OBJECT) {
		bad(m, "it holds no named tensors");
		return;
	}
	if (!visit(&w, weights(root), 0, 0))
		return;
	strip_module(&w);
	*out = w.t;
	*count = w.n;
}
