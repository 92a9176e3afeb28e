/* Helpers of the operator files: messages about shapes and sample inputs for the gradient test. */
#include "grad/op.h"

#include <math.h>

#include "kern/clones.h"

void vla_shape_text(const vla_tensor *t, char *buf, size_t size)
{
	size_t n = 0;
	for (unsigned i = 0; i < t->ndim && n < size; i++)
		n += (size_t)snprintf(buf + n, size - n, "%s%zu", i ? ", " : "[", t->dim[i]);
	if (n < size)
		snprintf(buf + n, size - n, "]");
}

vla_status vla_op_refuse(const vla_node *nd, vla_err *err, const char *fmt, ...)
{
	char why[160], shapes[160] = "";
	size_t n = 0;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, sizeof why, fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < nd->n_in && i < 6 && n < sizeof shapes; i++) {
		char one[80];
		vla_shape_text(nd->in[i], one, sizeof one);
		n += (size_t)snprintf(shapes + n, sizeof shapes - n, "%s%s", i ? ", " : "", one);
	}
	return vla_fail(err, VLA_EINVAL, "%s: %s (inputs %s)", nd->op->name, why, shapes);
}

bool vla_same_shape(const vla_tensor *a, const vla_tensor *b)
{
	return a->ndim == b->ndim && memcmp(a->dim, b->dim, a->ndim * sizeof a->dim[0]) == 0;
}

void vla_shape_scalar(vla_tensor *out)
{
	out->ndim = 1;
	out->dim[0] = 1;
}

void vla_shape_like(vla_tensor *out, const vla_tensor *like)
{
	out->ndim = like->ndim;
	memcpy(out->dim, like->dim, sizeof out->dim);
}

size_t vla_last_dim(const vla_tensor *t)
{
	return t->ndim ? t->dim[t->ndim - 1] : 1;
}

size_t vla_rows(const vla_tensor *t)
{
	size_t d = vla_last_dim(t);
	return d ? t->n / d : 0;
}

#define DOT_PIECE 4096

struct dot {
	const float *a, *b;
	size_t n;
	double *part; // [pieces]
};

VLA_CLONES static double dot_piece(const float *restrict a, const float *restrict b, size_t n)
{
	double s[8] = { 0 };
	size_t i = 0;
	for (; i + 8 <= n; i += 8)
		for (int k = 0; k < 8; k++)
			s[k] += (double)a[i + k] * (b ? b[i + k] : 1.0f);
	for (; i < n; i++)
		s[0] += (double)a[i] * (b ? b[i] : 1.0f);
	return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
}

static void dot_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct dot *d = ctx;
	(void)worker;
	for (size_t p = begin; p < end; p++) {
		size_t at = p * DOT_PIECE, n = d->n - at < DOT_PIECE ? d->n - at : DOT_PIECE;
		d->part[p] = dot_piece(d->a + at, d->b ? d->b + at : NULL, n);
	}
}

bool vla_dot(vla_step *g, const float *a, const float *b, size_t n, double *sum)
{
	size_t pieces = (n + DOT_PIECE - 1) / DOT_PIECE;
	vla_arena_mark mark = vla_arena_get_mark(g->arena);
	struct dot d = { a, b, n, vla_arena_alloc(g->arena, pieces, sizeof(double)) };
	if (!d.part)
		return false;
	vla_parallel(g->pool, pieces, VLA_GRAIN_CHEAP / DOT_PIECE, dot_range, &d);
	*sum = 0;
	for (size_t p = 0; p < pieces; p++)
		*sum += d.part[p];
	vla_arena_rewind(g->arena, mark);
	return true;
}

struct axpy {
	float *to;
	const float *from;
	float s;
};

VLA_CLONES static void axpy(float *to, const float *from, float s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] += s * from[i];
}

static void axpy_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct axpy *a = ctx;
	(void)worker;
	axpy(a->to + begin, a->from + begin, a->s, end - begin);
}

void vla_add_scaled(vla_step *g, float *to, const float *from, float s, size_t n)
{
	struct axpy a = { to, from, s };
	vla_parallel(g->pool, n, VLA_GRAIN_CHEAP, axpy_range, &a);
}

struct row_loss {
	const vla_node *nd;
	vla_row_loss_fn *fn;
	double *part;
};

static void row_loss_range(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct row_loss *l = ctx;
	(void)worker;
	l->fn(l->nd, begin, end, l->part);
}

vla_status vla_row_loss(vla_step *g, const vla_node *nd, size_t n, size_t grain, vla_row_loss_fn *fn, double scale,
			vla_err *err)
{
	vla_arena_mark mark = vla_arena_get_mark(g->arena);
	struct row_loss l = { nd, fn, vla_arena_alloc(g->arena, n, sizeof(double)) };
	if (!l.part)
		return vla_nomem(err);
	vla_parallel(g->pool, n, grain, row_loss_range, &l);
	double sum = 0;
	for (size_t r = 0; r < n; r++)
		sum += l.part[r];
	nd->out->data[0] = (float)(sum * scale);
	vla_arena_rewind(g->arena, mark);
	return VLA_OK;
}

double vla_exp_sum(const float *x, size_t n, float *max)
{
	float m = x[0];
	for (size_t j = 1; j < n; j++)
		m = x[j] > m ? x[j] : m;
	double s = 0;
	for (size_t j = 0; j < n; j++)
		s += expf(x[j] - m);
	*max = m;
	return s;
}

vla_tensor *vla_sample_away(vla_step *g, vla_rng *rng, unsigned ndim, const size_t *dim, float gap)
{
	vla_tensor *t = vla_tensor_new(g, ndim, dim);
	if (!t)
		return NULL;
	for (size_t i = 0; i < t->n; i++) {
		float x = (float)vla_rng_normal(rng);
		t->data[i] = x + (signbit(x) ? -gap : gap);
	}
	t->wants_grad = g->tape != NULL;
	return t;
}

vla_tensor *vla_sample_normal(vla_step *g, vla_rng *rng, unsigned ndim, const size_t *dim)
{
	return vla_sample_away(g, rng, ndim, dim, 0);
}
