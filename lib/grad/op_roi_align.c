/* Means of a map over boxes: RoIAlign (He et al., "Mask R-CNN", 2017) with one bin. A box is sampled at the centres of
 * ceil(height) x ceil(width) equal parts; a sample is bilinear between cell centres, repeats the border within one cell
 * of the map and is zero beyond. */
#include "grad/op.h"

#include <math.h>

struct attr {
	const float *box; // [n, 4], the caller's
	size_t n;
};

#define MAX_SAMPLES 4096.0 // a side

// One coordinate of a sample: two cells with their weights; false when it lies outside.
static bool find_cells(double at, size_t n, size_t cell[2], float weight[2])
{
	if (!(at >= -1 && at <= (double)n))
		return false;
	at = at < 0 ? 0 : at;
	cell[0] = (size_t)at;
	if (cell[0] + 1 >= n) {
		cell[0] = cell[1] = n - 1;
		at = (double)(n - 1);
	} else {
		cell[1] = cell[0] + 1;
	}
	weight[1] = (float)(at - (double)cell[0]);
	weight[0] = 1 - weight[1];
	return true;
}

// y [c] += the mean of x over the box; back: x += y spread over it.
static void visit_box(const vla_tensor *map, const float *box, float *x, float *y, bool back)
{
	size_t h = map->dim[0], w = map->dim[1], c = map->dim[2];
	double top = (double)box[1] - 0.5, left = (double)box[0] - 0.5;
	double height = (double)box[3] - box[1], width = (double)box[2] - box[0];
	double ny = ceil(height), nx = ceil(width), count = fmax(ny * nx, 1);
	for (double i = 0; i < ny; i++)
		for (double j = 0; j < nx; j++) {
			size_t cy[2], cx[2];
			float wy[2], wx[2];
			if (!find_cells(top + (i + 0.5) * height / ny, h, cy, wy) ||
			    !find_cells(left + (j + 0.5) * width / nx, w, cx, wx))
				continue;
			for (int k = 0; k < 4; k++) {
				float weight = (float)(wy[k / 2] * wx[k % 2] / count);
				float *at = x + (cy[k / 2] * w + cx[k % 2]) * c;
				for (size_t d = 0; d < c; d++)
					if (back)
						at[d] += weight * y[d];
					else
						y[d] += weight * at[d];
			}
		}
}

static vla_status roi_shape(const vla_node *nd, vla_tensor *out, vla_err *err)
{
	const struct attr *a = nd->attr;
	const vla_tensor *x = nd->in[0];
	if (x->ndim != 3 || x->dim[0] == 0 || x->dim[1] == 0)
		return vla_op_refuse(nd, err, "needs a map [h, w, c]");
	for (size_t i = 0; i < a->n; i++) {
		const float *b = a->box + i * 4;
		double width = (double)b[2] - b[0], height = (double)b[3] - b[1];
		if (!(width >= 0 && height >= 0 && width <= MAX_SAMPLES && height <= MAX_SAMPLES))
			return vla_op_refuse(nd, err, "box %zu has a size of %gx%g cells", i, width, height);
	}
	*out = (vla_tensor){ .ndim = 2, .dim = { a->n, x->dim[2] } };
	return VLA_OK;
}

static vla_status roi_forward(vla_step *g, vla_node *nd, vla_err *err)
{
	const struct attr *a = nd->attr;
	(void)g;
	(void)err;
	memset(nd->out->data, 0, nd->out->n * sizeof(float));
	for (size_t i = 0; i < a->n; i++)
		visit_box(nd->in[0], a->box + i * 4, nd->in[0]->data, nd->out->data + i * nd->out->dim[1], false);
	return VLA_OK;
}

static vla_status roi_backward(vla_step *g, vla_node *nd, vla_err *err)
{
	const struct attr *a = nd->attr;
	(void)g;
	(void)err;
	for (size_t i = 0; i < a->n; i++)
		visit_box(nd->in[0], a->box + i * 4, nd->in[0]->grad, nd->out->grad + i * nd->out->dim[1], true);
	return VLA_OK;
}

static bool roi_sample(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out)
{
	static const float box[][4] = {
		{ 0.2f, 0.4f, 2.9f, 1.7f }, { 1, 1, 1, 1 }, { -0.7f, 0, 4.5f, 3 }, { 3, 2, 9, 9 }
	};
	if (i > 1)
		return false;
	vla_tensor *x = vla_sample_normal(g, rng, 3, i ? (size_t[]){ 1, 1, 2 } : (size_t[]){ 3, 4, 2 });
	*out = vla_roi_align(g, x, box[0], 4);
	return true;
}

const vla_op vla_op_roi_align = {
	.name = "roi_align",
	.inputs = 1,
	.shape = roi_shape,
	.forward = roi_forward,
	.backward = roi_backward,
	.sample = roi_sample,
};

vla_tensor *vla_roi_align(vla_step *g, vla_tensor *x, const float *box, size_t n)
{
	struct attr a = { box, n };
	return vla_apply(g, &vla_op_roi_align, &x, 1, &a, sizeof a);
}
