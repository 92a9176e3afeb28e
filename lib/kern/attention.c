/* Scaled dot-product attention over heads (Vaswani et al. 2017), one head of one sequence a piece of work, in blocks of
 * query rows so that inference needs no square of the sequence length. */
#include "kern/kern.h"
#include "kern/split.h"

#define QUERIES 64 // query rows at once when probabilities are not kept

struct job {
	const vla_attention_shape *s;
	const float *q, *k, *v, *out_grad, *probs_in;
	float *out, *probs, *ws, *dq, *dk, *dv;
	float scale;
};

size_t vla_attention_ws(const vla_attention_shape *s, unsigned workers)
{
	return workers * QUERIES * s->tk;
}

size_t vla_attention_backward_ws(const vla_attention_shape *s, unsigned workers)
{
	return workers * s->tq * s->tk;
}

// Keys that query i of sequence n may see: [0, result).
static size_t visible(const vla_attention_shape *s, size_t n, size_t i)
{
	size_t len = s->lens ? s->lens[n] : s->tk;
	if (len > s->tk)
		len = s->tk;
	if (!s->causal)
		return len;
	size_t last = i + s->tk >= s->tq ? i + s->tk - s->tq + 1 : 0;
	return last < len ? last : len;
}

static void forward_head(const struct job *j, size_t n, size_t head, float *scratch, float *kept)
{
	const vla_attention_shape *s = j->s;
	size_t width = s->heads * s->d, at = head * s->d;
	const float *k = j->k + n * s->tk * width + at, *v = j->v + n * s->tk * width + at;
	for (size_t i = 0; i < s->tq; i += QUERIES) {
		size_t rows = s->tq - i < QUERIES ? s->tq - i : QUERIES;
		size_t row = n * s->tq + i;
		float *p = kept ? kept + i * s->tk : scratch;
		vla_sgemm(false, true, rows, s->tk, s->d, j->scale, j->q + row * width + at, width, k, width, 0, p,
			  s->tk);
		for (size_t r = 0; r < rows; r++) {
			size_t see = visible(s, n, i + r);
			if (see)
				vla_softmax_row(see, 1, p + r * s->tk, p + r * s->tk);
			memset(p + r * s->tk + see, 0, (s->tk - see) * sizeof *p);
		}
		vla_sgemm(false, false, rows, s->d, s->tk, 1, p, s->tk, v, width, 0, j->out + row * width + at, width);
	}
}

static void forward_heads(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	const vla_attention_shape *s = j->s;
	for (size_t h = begin; h < end; h++)
		forward_head(j, h / s->heads, h % s->heads, j->ws ? j->ws + worker * QUERIES * s->tk : NULL,
			     j->probs ? j->probs + h * s->tq * s->tk : NULL);
}

static float scale_of(const vla_attention_shape *s)
{
	return s->d ? 1.0f / __builtin_sqrtf((float)s->d) : 0;
}

void vla_attention_forward(vla_pool *pool, const vla_attention_shape *s, const float *q, const float *k, const float *v,
			   float *out, float *probs, float *ws)
{
	struct job j = { .s = s, .q = q, .k = k, .v = v, .out = out, .probs = probs, .ws = ws, .scale = scale_of(s) };
	vla_blas_init();
	vla_parallel(pool, s->n * s->heads, 1, forward_heads, &j);
}

static void backward_head(const struct job *j, size_t n, size_t head, const float *p, float *ds)
{
	const vla_attention_shape *s = j->s;
	size_t width = s->heads * s->d, aq = n * s->tq * width + head * s->d, ak = n * s->tk * width + head * s->d;
	const float *dout = j->out_grad + aq;
	if (j->dv)
		vla_sgemm(true, false, s->tk, s->d, s->tq, 1, p, s->tk, dout, width, 1, j->dv + ak, width);
	if (!j->dq && !j->dk)
		return;
	vla_sgemm(false, true, s->tq, s->tk, s->d, 1, dout, width, j->v + ak, width, 0, ds, s->tk);
	for (size_t i = 0; i < s->tq; i++)
		vla_softmax_row_backward(s->tk, p + i * s->tk, ds + i * s->tk, false, j->scale, ds + i * s->tk);
	if (j->dq)
		vla_sgemm(false, false, s->tq, s->d, s->tk, 1, ds, s->tk, j->k + ak, width, 1, j->dq + aq, width);
	if (j->dk)
		vla_sgemm(true, false, s->tk, s->d, s->tq, 1, ds, s->tk, j->q + aq, width, 1, j->dk + ak, width);
}

static void backward_heads(void *ctx, size_t begin, size_t end, unsigned worker)
{
	const struct job *j = ctx;
	size_t square = j->s->tq * j->s->tk;
	for (size_t h = begin; h < end; h++)
		backward_head(j, h / j->s->heads, h % j->s->heads, j->probs_in + h * square, j->ws + worker * square);
}

void vla_attention_backward(vla_pool *pool, const vla_attention_shape *s, const float *q, const float *k,
			    const float *v, const float *probs, const float *dout, float *dq, float *dk, float *dv,
			    float *ws)
{
	struct job j = { .s = s,
			 .q = q,
			 .k = k,
			 .v = v,
			 .probs_in = probs,
			 .out_grad = dout,
			 .dq = dq,
			 .dk = dk,
			 .dv = dv,
			 .ws = ws,
			 .scale = scale_of(s) };
	vla_blas_init();
	vla_parallel(pool, s->n * s->heads, 1, backward_heads, &j);
}
