/* Every operator of the table, on every sample case that its file gives.
 *
 * The gradient of a random projection of the output, sum r . out, is compared with central differences. Forward runs in
 * f32, so one value carries a rounding error of about 6e-8 times its size; the difference quotient divides that by 2 h.
 * With h = 1/128 this is about 4e-6 a term, and the truncation h^2 / 6 f''' about 1e-5, for values of order one: hence
 * the tolerance 2e-3 of the gradient's largest entry, which leaves room for sums of many terms and still sees a wrong
 * factor in any single entry of ordinary size. Then each input's gradient is asked for alone.
 *
 * Inference must give the same values and leave nothing in the arena but the result. Inputs that shrink, lose a
 * dimension or become empty are either computed or refused with VLA_EINVAL and the operator's name.
 */
#include "grad/grad.h"
#include "tap.h"

#include <math.h>

#define H (1.0f / 128)
#define TOL 2e-3
#define LEAVES 16

struct run {
	vla_step g;
	vla_tape tape;
	vla_rng start; // state of g.rng before the operators ran
	vla_tensor *out;
	vla_tensor *leaf[LEAVES];
	size_t nleaf, nodes; // nodes up to out
	float *r;            // [out->n] projection
};

static vla_arena *arena;

static bool begin(struct run *t, const vla_op *op, unsigned i, bool tape)
{
	vla_rng rng;
	memset(t, 0, sizeof *t);
	vla_step_init(&t->g, arena, NULL);
	vla_step_reset(&t->g);
	t->g.compute = VLA_COMPUTE_F32;
	t->g.training = true;
	t->g.tape = tape ? &t->tape : NULL;
	vla_rng_seed(&rng, vla_hash64(op->name, strlen(op->name), 0), i);
	vla_rng_seed(&t->g.rng, 5, i);
	t->start = t->g.rng;
	return op->sample(&t->g, &rng, i, &t->out);
}

static bool is_result(const struct run *t, const vla_tensor *x)
{
	for (size_t k = 0; k < t->tape.n; k++)
		if (t->tape.node[k]->out == x)
			return true;
	return false;
}

static void find_leaves(struct run *t)
{
	for (size_t k = 0; k < t->tape.n; k++)
		for (size_t j = 0; j < t->tape.node[k]->n_in; j++) {
			vla_tensor *x = t->tape.node[k]->in[j];
			bool known = !x->wants_grad || is_result(t, x);
			for (size_t l = 0; l < t->nleaf; l++)
				known |= t->leaf[l] == x;
			if (!known && t->nleaf < LEAVES)
				t->leaf[t->nleaf++] = x;
		}
	t->nodes = t->tape.n;
}

static vla_status project(vla_step *g, vla_tensor *out, float **r, vla_err *err)
{
	vla_rng rng;
	vla_rng_seed(&rng, 77, out->n);
	vla_tensor *p = vla_tensor_new(g, out->ndim, out->dim);
	for (size_t i = 0; p && i < p->n; i++)
		p->data[i] = (float)vla_rng_normal(&rng);
	vla_tensor *loss = vla_sum(g, vla_mul(g, out, p));
	if (r && p)
		*r = p->data;
	return vla_backward(g, loss, err);
}

// The projection again, with the values that the leaves hold now.
static double replay(struct run *t)
{
	vla_err err;
	t->g.rng = t->start;
	vla_arena_mark m = vla_arena_get_mark(arena);
	for (size_t k = 0; k < t->nodes; k++)
		if (!t->tape.node[k]->op->view && t->tape.node[k]->op->forward(&t->g, t->tape.node[k], &err) != VLA_OK)
			return NAN;
	vla_arena_rewind(arena, m);
	double s = 0;
	for (size_t i = 0; i < t->out->n; i++)
		s += (double)t->out->data[i] * t->r[i];
	return s;
}

static double largest(const float *x, size_t n)
{
	double m = 0;
	for (size_t i = 0; i < n; i++)
		m = fmax(m, fabs((double)x[i]));
	return m;
}

static void test_gradient(struct run *t, const vla_op *op, unsigned i)
{
	vla_err err = VLA_ERR_INIT;
	bool training = t->g.training;
	t->g.training = !training; // backward goes by what forward did
	vla_status s = project(&t->g, t->out, &t->r, &err);
	t->g.training = training;
	if (!ok(s == VLA_OK, "%s %u: backward %s", op->name, i, err.msg))
		return;
	double all = 0, worst = 0;
	for (size_t l = 0; l < t->nleaf; l++)
		all = fmax(all, largest(t->leaf[l]->grad, t->leaf[l]->n));
	for (size_t l = 0; l < t->nleaf; l++) {
		vla_tensor *x = t->leaf[l];
		double scale = fmax(fmax(largest(x->grad, x->n), 0.01 * all), 1e-3);
		for (size_t j = 0; j < x->n; j++) {
			float was = x->data[j], up = was + H, down = was - H;
			x->data[j] = up;
			double a = replay(t);
			x->data[j] = down;
			double want = (a - replay(t)) / ((double)up - down);
			x->data[j] = was;
			double off = fabs(want - x->grad[j]) / scale;
			if (!(off <= TOL))
				note("input %zu, element %zu: gradient %g, difference quotient %g, scale %g", l, j,
				     x->grad[j], want, scale);
			worst = isnan(off) ? off : fmax(worst, off);
		}
	}
	(void)replay(t); // what backward saved fits the values again
	ok(worst <= TOL, "%s %u: gradient is right to %.1g", op->name, i, worst);
}

static void test_alone(struct run *t, const vla_op *op, unsigned i)
{
	vla_err err = VLA_ERR_INIT;
	const vla_node *nd = t->tape.node[t->nodes - 1];
	if (nd->op != op || nd->n_in < 2 || nd->n_in > LEAVES)
		return;
	vla_tensor copy[LEAVES], *in[LEAVES];
	float *want[LEAVES] = { 0 };
	double worst = 0;
	for (size_t k = 0; k <= nd->n_in; k++) { // k = 0: all of them, to compare with
		vla_step g = t->g;
		vla_tape tape = { 0 };
		g.tape = &tape;
		g.rng = t->start;
		for (size_t j = 0; j < nd->n_in; j++) {
			copy[j] = *nd->in[j];
			copy[j].grad = NULL;
			copy[j].wants_grad = nd->in[j]->wants_grad && (k == 0 || k == j + 1);
			in[j] = &copy[j];
		}
		if (k == 0 || copy[k - 1].wants_grad) {
			vla_tensor *out = vla_apply(&g, op, in, nd->n_in, nd->attr, nd->attr_size);
			if (!out || project(&g, out, NULL, &err) != VLA_OK)
				worst = INFINITY;
			for (size_t j = 0; j < nd->n_in && worst < 1; j++) {
				if (k == 0)
					want[j] = copy[j].grad;
				for (size_t e = 0; k == j + 1 && e < copy[j].n; e++)
					worst = fmax(worst, fabs((double)copy[j].grad[e] - want[j][e]) /
								    fmax(1e-3, fabs(want[j][e])));
			}
		}
		vla_tape_release(&tape);
	}
	ok(worst <= 1e-5, "%s %u: each gradient alone", op->name, i);
}

static size_t rounded(size_t n)
{
	return n ? (n + 63) & ~(size_t)63 : 64;
}

static void test_inference(struct run *t, const vla_op *op, unsigned i)
{
	bool lean = true;
	double off = 0;
	for (size_t k = 0; k < t->nodes; k++) {
		const vla_node *nd = t->tape.node[k];
		vla_step g = t->g;
		g.tape = NULL;
		g.rng = t->start;
		vla_arena_mark a = vla_arena_get_mark(arena);
		vla_tensor *y = vla_apply(&g, nd->op, nd->in, nd->n_in, nd->attr, nd->attr_size);
		vla_arena_mark b = vla_arena_get_mark(arena);
		size_t want = rounded(sizeof *y) + (nd->op->view ? 0 : rounded(nd->out->n * sizeof(float)));
		lean &= y && a.block == b.block && b.used - a.used == want;
		for (size_t j = 0; y && t->nodes == 1 && j < y->n; j++)
			off = fmax(off, fabs((double)y->data[j] - nd->out->data[j]) / fmax(1, fabs(nd->out->data[j])));
	}
	ok(lean, "%s %u: inference keeps only the result", op->name, i);
	ok(off <= 1e-5, "%s %u: the same values without a tape", op->name, i);
}

static bool fits_or_refused(struct run *t, const vla_node *nd, vla_tensor **in, unsigned *refused)
{
	vla_step g = t->g;
	g.tape = NULL;
	memset(&g.err, 0, sizeof g.err);
	vla_arena_mark m = vla_arena_get_mark(arena);
	vla_tensor *y = vla_apply(&g, nd->op, in, nd->n_in, nd->attr, nd->attr_size);
	vla_arena_rewind(arena, m);
	*refused += !y;
	size_t n = strlen(nd->op->name);
	bool good = y || (g.err.code == VLA_EINVAL && strncmp(g.err.msg, nd->op->name, n) == 0 && g.err.msg[n] == ':');
	if (!good)
		note("%s", g.err.msg);
	return good;
}

static void test_shapes(struct run *t, const vla_op *op, unsigned i, unsigned *refused)
{
	const vla_node *nd = t->tape.node[t->nodes - 1];
	vla_tensor *in[LEAVES];
	bool good = true;
	if (nd->op != op || nd->n_in > LEAVES)
		return;
	for (size_t k = 0; k < nd->n_in; k++)
		for (unsigned d = 0; d < nd->in[k]->ndim; d++)
			for (int way = 0; way < 3; way++) {
				vla_tensor c = *nd->in[k];
				memcpy(in, nd->in, nd->n_in * sizeof *in);
				in[k] = &c;
				c.n /= c.dim[d] ? c.dim[d] : 1;
				if (way == 2) {
					memmove(c.dim + d, c.dim + d + 1, (c.ndim - d - 1) * sizeof *c.dim);
					c.ndim--;
				} else {
					c.dim[d] = way ? 0 : c.dim[d] - 1;
					c.n *= c.dim[d];
				}
				good &= fits_or_refused(t, nd, in, refused);
			}
	ok(good, "%s %u: other shapes are computed or refused by name", op->name, i);
}

// Operators that take one tensor of any shape.
static bool takes_all(const char *name)
{
	static const char *const names[] = { "activation", "dropout", "exp",     "l2_norm", "mean",
					     "reshape",    "scale",   "softmax", "sum" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void test_op(const vla_op *op)
{
	unsigned i = 0, refused = 0;
	bool tested[LEAVES] = { false };
	size_t inputs = 0;
	struct run t;
	if (!ok(op->sample != NULL, "%s has samples", op->name))
		return;
	for (; begin(&t, op, i, true); i++) {
		vla_err err = VLA_ERR_INIT;
		if (ok(vla_step_status(&t.g, &err) == VLA_OK && t.out, "%s %u: forward %s", op->name, i, err.msg)) {
			find_leaves(&t);
			for (size_t k = 0; k < t.nodes; k++)
				for (size_t j = 0; t.tape.node[k]->op == op && j < t.tape.node[k]->n_in && j < LEAVES;
				     j++) {
					tested[j] |= t.tape.node[k]->in[j]->wants_grad;
					inputs = j >= inputs ? j + 1 : inputs;
				}
			if (t.nodes && t.tape.node[t.nodes - 1]->out == t.out) {
				test_gradient(&t, op, i);
				test_alone(&t, op, i);
				test_inference(&t, op, i);
				test_shapes(&t, op, i, &refused);
			} else {
				ok(false, "%s %u: the sample's last operator gives its result", op->name, i);
			}
		}
		vla_tape_release(&t.tape);
	}
	vla_tape_release(&t.tape);
	bool every = inputs > 0;
	for (size_t j = 0; j < inputs; j++)
		every &= tested[j];
	ok(i > 0 && every, "%s: every input's gradient is tested", op->name);
	if (!takes_all(op->name))
		ok(refused > 0, "%s refuses shapes that do not fit", op->name);
}

int main(int argc, char **argv)
{
	arena = vla_arena_new((size_t)16 << 20);
	for (size_t k = 0; vla_ops[k]; k++)
		if (argc < 2 || strcmp(argv[1], vla_ops[k]->name) == 0) // one operator alone: build/unit/test_ops add
			test_op(vla_ops[k]);
	vla_arena_free(arena);
	return done();
}
