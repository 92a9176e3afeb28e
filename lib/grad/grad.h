/* Tensors, the tape and the table of operators. Training and inference run the same operators: with a tape attached
 * an operator records itself and keeps what its backward pass needs; without one it keeps nothing.
 *
 *	vla_step g;                                  // one forward (and backward) pass
 *	vla_step_init(&g, arena, pool);
 *	g.tape = &tape; g.training = true;           // leave both out for inference
 *	vla_tensor *x = vla_tensor_new(&g, 2, (size_t[]){ n, d });
 *	vla_tensor *y = vla_linear(&g, x, w, b);     // NULL after the first failure, and so on
 *	vla_tensor *loss = vla_mean(&g, y);
 *	if (vla_step_status(&g, err) == VLA_OK)
 *		vla_backward(&g, loss, err);
 *
 * Errors stick to the step: an operator given a NULL input returns NULL and leaves the first message in place, so a
 * block is written without a check after every line, and its caller checks once with vla_step_status.
 *
 * Layout: the last dimension is contiguous. Pictures are [n, h, w, c] everywhere inside the engine. Weights of a linear
 * layer are [out, in]; of a convolution [out, kh, kw, in / groups] (depthwise: [kh, kw, c]); checkpoint readers
 * convert. Values are f32; losses and norms accumulate in f64.
 */
#ifndef VLA_GRAD_GRAD_H
#define VLA_GRAD_GRAD_H

#include "base/base.h"
#include "kern/kern.h"

#include <vla/dtype.h>

#define VLA_TENSOR_DIMS 5

typedef struct vla_tensor vla_tensor;
typedef struct vla_node vla_node;
typedef struct vla_op vla_op;
typedef struct vla_step vla_step;

/* A named weight. Values come from a mapped checkpoint (raw, maybe f16) or from training (value, f32). */
typedef struct vla_param {
	char *name; /* canonical name, "image.stem.conv.weight" */
	unsigned ndim;
	size_t dim[VLA_TENSOR_DIMS];
	size_t n;        /* elements */
	const void *raw; /* stored bytes in engine layout, or NULL; owned by the checkpoint or by `owned` */
	vla_dtype raw_dtype;
	float *value; /* [n]; NULL until vla_param_f32 or vla_params_own */
	float *grad;  /* [n]; NULL unless trainable */
	bool trainable;
	bool buffer;        /* running statistics: saved, never trained by gradient */
	bool no_decay;      /* norms, biases, logit scales */
	float lr_scale;     /* multiplies the learning rate; 1 by default */
	vla_packed *packed; /* gemm-ready form, made at the first use without a tape */
	void *owned;        /* memory behind raw or value that free() releases */
	void *converted;    /* memory behind value when it was made from raw; freed like owned */
} vla_param;

/* All weights of a model, in creation order. Trainable ones lie in one block after vla_params_own, so that saving,
 * clipping and optimising are one loop. */
typedef struct vla_params {
	vla_param **p;
	size_t n, cap;
	float *values, *grads; /* [total] of the trainable ones after vla_params_own */
	size_t total;
	uint64_t version; /* grows with every vla_params_unpack: forms derived from values compare it */
} vla_params;

/* Adds a parameter of this name and shape, without value; its address is stable. NULL when memory is short. */
vla_param *vla_params_add(vla_params *ps, const char *name, unsigned ndim, const size_t *dim);
vla_param *vla_params_find(const vla_params *ps, const char *name);
void vla_params_release(vla_params *ps);
/* Moves all trainable parameters that are no buffers into one block and gives them gradients; buffers get memory of
 * their own, since training writes to them, and frozen ones keep their values where they are. A parameter without
 * value and raw is VLA_EINVAL. May be called again after trainable flags changed: values stay, gradients are cleared,
 * the old block is freed. On failure nothing has changed but conversions to f32. */
vla_status vla_params_own(vla_params *ps, vla_err *err) VLA_MUST_USE;
void vla_params_zero_grad(vla_params *ps);
/* f32 values, converted from raw (f32, f16, bf16, f64) at the first call; NULL when memory is short or when there is
 * nothing to convert. Values that come from a mapped f32 checkpoint must not be written to. */
float *vla_param_f32(vla_param *p);
/* The same with the reason: VLA_ENOMEM, VLA_EINVAL (no values), VLA_EUNSUPPORTED (stored as integers). */
vla_status vla_param_load(vla_param *p, vla_err *err) VLA_MUST_USE;
/* Forgets packed forms; to be called after values changed. */
void vla_params_unpack(vla_params *ps);

struct vla_tensor {
	unsigned ndim;
	size_t dim[VLA_TENSOR_DIMS];
	size_t n;         /* elements; product of dim */
	float *data;      /* [n], in the step's arena, the caller's, or a parameter's */
	float *grad;      /* [n], NULL unless a gradient is wanted */
	bool wants_grad;  /* depends on something trainable and a tape is attached */
	bool grad_new;    /* grad holds no values yet; see vla_grad_add */
	bool last_use;    /* see vla_last_use */
	bool fixed;       /* data is the caller's or a parameter's: never overwritten */
	vla_param *param; /* the weight behind it, else NULL */
};

/* One operator: everything about it lives in lib/grad/op_NAME.c and one row of vla_ops. */
struct vla_op {
	const char *name;
	int inputs; /* -1: any number */
	/* Checks in[] and attr and sets out->ndim and dim. On failure the message names the operator and the shapes;
	 * see vla_op_refuse in op.h. */
	vla_status (*shape)(const vla_node *nd, vla_tensor *out, vla_err *err);
	/* Fills out->data; may put what backward needs into nd->saved (from vla_save) when taping. Without a tape all
	 * that was allocated in the arena is dropped afterwards, so scratch memory may come from there. NULL with view.
	 */
	vla_status (*forward)(vla_step *g, vla_node *nd, vla_err *err);
	/* Adds to in[i]->grad for each input with wants_grad; arena memory is scratch here. NULL: not differentiable
	 * (with view: the gradient passes through). */
	vla_status (*backward)(vla_step *g, vla_node *nd, vla_err *err);
	bool sets_grad; /* backward asks vla_grad_add(in[0]) and may write that gradient, which is not cleared before */
	bool grad_in_place; /* with sets_grad: in[0]->grad may be out->grad when in[0] has none yet */
	bool inplace;       /* forward works with out->data == in[0]->data */
	bool view;          /* out shares in[0]'s data under another shape */
	bool packs; /* forward reads weights from in[i]->param itself, so in[i]->data may be NULL (see vla_use) */
	/* Builds sample inputs for the gradient test: case number i, false when there is no such case. See
	 * tests/unit/test_ops.c. */
	bool (*sample)(vla_step *g, vla_rng *rng, unsigned i, vla_tensor **out);
};

struct vla_node {
	const vla_op *op;
	vla_tensor *out;
	vla_tensor **in;
	size_t n_in;
	const void *attr; /* the operator's own settings, copied into the arena */
	size_t attr_size;
	void *saved;
};

/* Nodes in the order they ran. */
typedef struct vla_tape {
	vla_node **node;
	size_t n, cap;
} vla_tape;

struct vla_step {
	vla_arena *arena; /* values of this pass */
	vla_pool *pool;   /* may be NULL */
	vla_tape *tape;   /* NULL: inference */
	bool training;    /* dropout is on, batch norm uses the batch's statistics */
	vla_compute compute;
	vla_rng rng; /* dropout */
	vla_err err; /* the first failure */
};

void vla_step_init(vla_step *g, vla_arena *arena, vla_pool *pool);
vla_status vla_step_status(const vla_step *g, vla_err *err) VLA_MUST_USE;
/* Forgets tape and error and resets the arena: all tensors of the step are gone. */
void vla_step_reset(vla_step *g);
void vla_tape_release(vla_tape *t);

/* In inference, drops all that was allocated since `mark` but the value x, which moves there; with a tape does nothing.
 * A tower calls it after each layer, so that memory does not grow with depth. */
vla_arena_mark vla_scope_begin(vla_step *g);
vla_tensor *vla_scope_end(vla_step *g, vla_arena_mark mark, vla_tensor *x);

vla_tensor *vla_tensor_new(vla_step *g, unsigned ndim, const size_t *dim);               /* data not set */
vla_tensor *vla_tensor_view(vla_step *g, unsigned ndim, const size_t *dim, float *data); /* data stays the caller's */
/* A weight as an input. Without a tape a matrix stored in another type than f32 is converted only when an operator asks
 * for it (data is NULL until then): linear layers and embeddings read it as it is. Others: vla_param_f32. */
vla_tensor *vla_use(vla_step *g, vla_param *p);
/* Says that x, and what it is a view of, is not needed after the next operator; without a tape that operator may
 * overwrite it, unless it is fixed. Returns x. */
vla_tensor *vla_last_use(vla_tensor *x);

/* Runs one operator. attr is copied; what it points to (targets, lengths) must live until the backward pass. */
vla_tensor *vla_apply(vla_step *g, const vla_op *op, vla_tensor *const *in, size_t n_in, const void *attr,
		      size_t attr_size);
/* For backward functions of operators with sets_grad, once when in[0] wants a gradient: whether to add to it or write
 * it. */
static inline bool vla_grad_add(vla_tensor *x)
{
	bool add = !x->grad_new;
	x->grad_new = false;
	return add;
}
/* For operators: memory that lives as long as the tape. */
void *vla_save(vla_step *g, size_t n, size_t size);

/* Reverse walk from a scalar: sets loss's gradient to 1 and adds to the gradients of all parameters used, and of other
 * leaves whose wants_grad was set by hand. Gradients between are recycled and NULL again afterwards. */
vla_status vla_backward(vla_step *g, vla_tensor *loss, vla_err *err) VLA_MUST_USE;

/* NULL-terminated table of all operators; the gradient test walks it. */
extern const vla_op *const vla_ops[];

/* --- operators (each declared here, implemented in op_NAME.c) --- */
/* x [.., in] . w [out, in]^T + b [out] (b NULL: none) -> [.., out]. Uses w's packed form without a tape. */
vla_tensor *vla_linear(vla_step *g, vla_tensor *x, vla_tensor *w, vla_tensor *b);
/* The same with the activation that follows. */
vla_tensor *vla_linear_act(vla_step *g, vla_tensor *x, vla_tensor *w, vla_tensor *b, vla_act act);
/* a [.., m, k] . b [.., k, n]; ta, tb transpose the last two; leading dimensions equal, or b without them. */
vla_tensor *vla_matmul(vla_step *g, vla_tensor *a, vla_tensor *b, bool ta, bool tb);
typedef struct vla_conv_attr {
	unsigned stride;
	unsigned pad_top, pad_left, pad_bottom, pad_right;
} vla_conv_attr;
/* x [n, h, w, c], w [out, kh, kw, c], b [out] or NULL -> [n, oh, ow, out]. 1x1 stride 1 is one matrix product. */
vla_tensor *vla_conv2d(vla_step *g, vla_tensor *x, vla_tensor *w, vla_tensor *b, vla_conv_attr a);
/* x [n, h, w, c], w [kh, kw, c], b [c] or NULL. */
vla_tensor *vla_conv2d_depthwise(vla_step *g, vla_tensor *x, vla_tensor *w, vla_tensor *b, vla_conv_attr a);
/* x [.., c]; running mean and variance are buffers, updated when g->training (momentum m: run += m (batch - run)). */
vla_tensor *vla_batch_norm(vla_step *g, vla_tensor *x, vla_tensor *gamma, vla_tensor *beta, vla_param *mean,
			   vla_param *var, float eps, float momentum);
/* The same with the activation that follows, in one pass: what a convolution network should call. */
vla_tensor *vla_batch_norm_act(vla_step *g, vla_tensor *x, vla_tensor *gamma, vla_tensor *beta, vla_param *mean,
			       vla_param *var, float eps, float momentum, vla_act act);
vla_tensor *vla_layer_norm(vla_step *g, vla_tensor *x, vla_tensor *gamma, vla_tensor *beta, float eps);
vla_tensor *vla_activation(vla_step *g, vla_tensor *x, vla_act act); /* element-wise; see kern.h */
/* b has a's shape, a suffix of it (repeated over the other dimensions), or is one number [1]. */
vla_tensor *vla_add(vla_step *g, vla_tensor *a, vla_tensor *b);
vla_tensor *vla_mul(vla_step *g, vla_tensor *a, vla_tensor *b); /* as add */
vla_tensor *vla_scale(vla_step *g, vla_tensor *a, float s);
vla_tensor *vla_exp(vla_step *g, vla_tensor *a);
vla_tensor *vla_softmax(vla_step *g, vla_tensor *x); /* over the last dimension */
/* q, k, v [n, t, heads * d]; scores q.k / sqrt(d); causal masks later keys; lens [n] (NULL: all) masks keys >= len. */
vla_tensor *vla_attention(vla_step *g, vla_tensor *q, vla_tensor *k, vla_tensor *v, unsigned heads, bool causal,
			  const uint32_t *lens);
vla_tensor *vla_embedding(vla_step *g, vla_tensor *table, const uint32_t *ids, size_t n); /* table [v, d] -> [n, d] */
/* Means of runs of rows: x [t, d], offset [n + 1] -> [n, d]; an empty run gives zeros. */
vla_tensor *vla_segment_mean(vla_step *g, vla_tensor *x, const size_t *offset, size_t n);
vla_tensor *vla_mean_pool(vla_step *g, vla_tensor *x); /* [n, .., c] -> [n, c], over all between */
vla_tensor *vla_l2_norm(vla_step *g, vla_tensor *x);   /* rows to unit length; x / max(|x|, 1e-12) */
vla_tensor *vla_reshape(vla_step *g, vla_tensor *x, unsigned ndim, const size_t *dim); /* no copy */
vla_tensor *vla_transpose(vla_step *g, vla_tensor *x, unsigned a, unsigned b);         /* swaps two dimensions */
vla_tensor *vla_concat(vla_step *g, vla_tensor *const *x, size_t n, unsigned axis);
vla_tensor *vla_slice(vla_step *g, vla_tensor *x, unsigned axis, size_t begin, size_t count);
/* Another resolution of a map x [h, w, c] -> [oh, ow, c]: samples at pixel centres. The smooth filters widen when the
 * map shrinks; bicubic is Keys' with a = -0.75, the smooth one with -0.5. */
typedef enum vla_grid_filter {
	VLA_GRID_BICUBIC,
	VLA_GRID_BICUBIC_SMOOTH,
	VLA_GRID_BILINEAR_SMOOTH,
} vla_grid_filter;
vla_tensor *vla_resize_grid(vla_step *g, vla_tensor *x, size_t oh, size_t ow, vla_grid_filter filter);
/* Means over boxes of a map x [h, w, c], sampled bilinearly about once a cell: box [n, 4] of x1, y1, x2, y2 in cells ->
 * [n, c]. RoIAlign (He et al. 2017) with one bin, corners aligned with the cells' corners. */
vla_tensor *vla_roi_align(vla_step *g, vla_tensor *x, const float *box, size_t n);
vla_tensor *vla_gather_rows(vla_step *g, vla_tensor *x, const uint32_t *row, size_t n); /* x [t, d] -> [n, d] */
vla_tensor *vla_dropout(vla_step *g, vla_tensor *x, float p); /* the identity unless g->training */
vla_tensor *vla_sum(vla_step *g, vla_tensor *x);              /* -> [1] */
vla_tensor *vla_mean(vla_step *g, vla_tensor *x);             /* -> [1] */
/* logits [n, c], target [n] (UINT32_MAX: ignored), smoothing in [0, 1) -> [1], mean over rows. */
vla_tensor *vla_cross_entropy(vla_step *g, vla_tensor *logits, const uint32_t *target, float smoothing);
/* logits [n, c], target probabilities [n, c] (constant) -> mean over rows of KL(target || softmax(logits)). */
vla_tensor *vla_kl_div(vla_step *g, vla_tensor *logits, const float *target);
/* logits [n, m], sign [n, m] of +1, -1 or 0 (ignored) -> sum over entries of -log sigmoid(sign * logit) / n. */
vla_tensor *vla_sigmoid_loss(vla_step *g, vla_tensor *logits, const float *sign);
vla_tensor *vla_mse(vla_step *g, vla_tensor *a, vla_tensor *b);         /* mean of squared differences -> [1] */
vla_tensor *vla_cosine_loss(vla_step *g, vla_tensor *a, vla_tensor *b); /* mean over rows of 1 - cos -> [1] */

#endif
