/* Another resolution of a map [h, w, c], for learnt positions on pictures of another size: two passes with short
 * filters, columns first. Filters follow PyTorch's interpolate with align_corners false: bicubic (Keys 1981, a = -0.75)
 * with the border repeated, and the widened ("antialias") bicubic (a = -0.5) and bilinear, whose weights beyond the
 * border are dropped and the others made to sum to one. */
#include "grad/op.h"

#include <math.h>

struct attr {
	size_t oh, ow;
	vla_grid_filter filter;
};

// Output i is the sum of weight[i * taps + k] times input at[i * taps + k].
struct filter {
	size_t out, taps;
	uint32_t *at;
	float *weight;
};

static double cubic(double x, double a)
{
	x = fabs(x);
	if (x < 1)
		return ((a + 2) * x - (a + 3)) * x * x + 1;
	return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

static void fill_plain(struct filter *f, size_t i, size_t in, double scale)
{
	double center = scale * ((double)i + 0.5) - 0.5, low = floor(center);
	for (size_t k = 0; k < 4; k++) {
		double at = low + (double)k - 1;
		f->at[i * 4 + k] = (uint32_t)(at < 0 ? 0 : at > (double)in - 1 ? (double)in - 1 : at);
		f->weight[i * 4 + k] = (float)cubic(center - at, -0.75);
	}
}

static void fill_smooth(struct filter *f, size_t i, size_t in, double scale, bool bicubic)
{
	double stretch = scale > 1 ? scale : 1, support = (bicubic ? 2 : 1) * stretch,
	       center = scale * ((double)i + 0.5);
	double sum = 0, w[2] = { floor(center - support + 0.5), floor(center + support + 0.5) };
	size_t first = w[0] < 0 ? 0 : (size_t)w[0], end = w[1] > (double)in ? in : (size_t)w[1];
	for (int pass = 0; pass < 2; pass++)
		for (size_t k = 0; k < f->taps; k++) {
			double x = ((double)(first + k) - center + 0.5) / stretch, y = 0;
			if (first + k < end)
				y = bicubic ? cubic(x, -0.5) : fmax(1 - fabs(x), 0);
			if (pass == 0) {
				sum += y;
				continue;
			}
			f->at[i * f->taps + k] = (uint32_t)(first + k < in ? first + k : in - 1);
			f->weight[i * f->taps + k] = (float)(y / sum);
		}
}

static bool make_filter(vla_step *g, struct filter *f, size_t in, size_t out, vla_grid_filter kind)
{
	double scale = (double)in / (double)out;
	bool bicubic = kind != VLA_GRID_BILINEAR_SMOOTH;
	f->out = out;
	f->taps = kind == VLA_GRID_BICUBIC ? 4 : 2 * (size_t)ceil((bicubic ? 2 : 1) * (scale > 1 ? scale : 1)) + 1;
	f->at = vla_arena_alloc(g->arena, out * f->taps, sizeof *f->at);
	f->weight = vla_arena_alloc(g->arena, out * f->taps, sizeof *f->weight);
	if (!f->at || !f->weight)
		return false;
	for (size_t i = 0; i < out; i++)
		if (kind == VLA_GRID_BICUBIC)
			fill_plain(f, i, in, scale);
		else
			fill_smooth(f, i, in, scale, bicubic);
	return true;
}

// y [rows, out, c] += x [rows, in, c] filtered; back: x += y filtered the other way.
static void filter_pass(const struct filter *f, size_t rows, size_t in, size_t c, float *x, float *y, bool back)
{
	for (size_t r = 0; r < rows; r++)
		for (size_t i = 0; i < f->out; i++)
			for (size_t k = 0; k < f->taps; k++) {
				float w = f->weight[i * f->taps + k], *a = x + (r * in + f->at[i * f->taps + k]) * c;
				float *b = y + (r * f->out + i) * c;
				for (size_t j = 0; w != 0 && j < c; j++)
					if (back)
						a[j] += w * b[j];
					else
						b[j] += w * a[j];
			}
}

static vla_status resize_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	const struct attr *a = nd->attr;
	const vla_tensor *x = nd->in[0];
	if (x->ndim != 3 || x->dim[0] == 0 || x->dim[1] == 0)
		return vla_op_refuse(nd, err, "needs a map [h, w, c]");
	if (a->oh == 0 || a->ow == 0 || a->oh > UINT16_MAX || a->ow > UINT16_MAX || x->dim[0] > UINT16_MAX ||
	    x->dim[1] > UINT16_MAX)
		return vla_op_refuse(nd, err, "a map cannot become %zux%zu", a->oh, a->ow);
	*out = (vla_tensor){ .ndim = 3, .dim = { a->oh, a->ow, x->dim[2] } };
	return VLA_OK;
}

struct passes {
	struct filter rows, columns;
	float *between; // [h, ow, c]
	size_t n;
};

static bool make_passes(vla_step *g, const vla_node *nd, struct passes *p)
{
	const struct attr *a = nd->attr;
	const vla_tensor *x = nd->in[0];
	p->n = x->dim[0] * a->ow * x->dim[2];
	if (!make_filter(g, &p->columns, x->dim[1], a->ow, a->filter) ||
	    !make_filter(g, &p->rows, x->dim[0], a->oh, a->filter))
		return false;
	if (!(p->between = vla_arena_alloc(g->arena, p->n, sizeof(float))))
		return false;
	memset(p->between, 0, p->n * sizeof(float));
	return true;
}

static vla_status resize_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	const vla_tensor *x = nd->in[0];
	struct passes p;
	if (!make_passes(g, nd, &p))
		return vla_nomem(err);
	filter_pass(&p.columns, x->dim[0], x->dim[1], x->dim[2], x->data, p.between, false);
	memset(nd->out->data, 0, nd->out->n * sizeof(float));
	filter_pass(&p.rows, 1, x->dim[0], nd->out->dim[1] * x->dim[2], p.between, nd->out->data, false);
	return VLA_OK;
}

static vla_status resize_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	vla_tensor *x = nd->in[0];
	struct passes p;
	if (!make_passes(g, nd, &p))
		return vla_nomem(err);
	filter_pass(&p.rows, 1, x->dim[0], nd->out->dim[1] * x->dim[2], p.between, nd->out->grad, true);
	filter_pass(&p.columns, x->dim[0], x->dim[1], x->dim[2], x->grad, p.between, true);
	return VLA_OK;
}

static bool resize_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const struct {
		size_t h, w, oh, ow;
		vla_grid_filter filter;
	} c[] = {
		{ 3, 4, 5, 2, VLA_GRID_BICUBIC },         { 5, 6, 2, 7, VLA_GRID_BICUBIC_SMOOTH },
		{ 4, 5, 6, 2, VLA_GRID_BILINEAR_SMOOTH }, { 1, 1, 3, 2, VLA_GRID_BICUBIC },
		{ 7, 1, 1, 3, VLA_GRID_BICUBIC_SMOOTH },
	};
	if (i >= sizeof c / sizeof c[0])
		return false;
	vla_tensor *x = vla_sample_normal(g, rng, 3, (size_t[]){ c[i].h, c[i].w, 3 });
	*out = vla_resize_grid(g, x, c[i].oh, c[i].ow, c[i].filter);
	return true;
}

const vla_op vla_op_resize_grid = {
	.name = "resize_grid",
	.inputs = 1,
	.shape = resize_shape,
	.forward = resize_forward,
	.backward = resize_backward,
	.sample = resize_sample,
};

vla_tensor *vla_resize_grid(vla_step *g, vla_tensor *x, size_t oh, size_t ow, vla_grid_filter filter)
{
	struct attr a = { oh, ow, filter };
	return vla_apply(g, &vla_op_resize_grid, &x, 1, &a, sizeof a);
}
