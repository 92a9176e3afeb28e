/* Plain references of the kernels. Nothing here is fast. */
#include "kern/ref.h"

#include <math.h>

void vla_gemm_ref(bool ta, bool tb, size_t M, size_t N, size_t K, float alpha, const float *A, size_t lda,
		  const float *B, size_t ldb, float beta, float *C, size_t ldc)
{
	for (size_t i = 0; i < M; i++)
		for (size_t j = 0; j < N; j++) {
			double s = 0;
			for (size_t k = 0; k < K; k++)
				s += (double)(ta ? A[k * lda + i] : A[i * lda + k]) *
				     (tb ? B[j * ldb + k] : B[k * ldb + j]);
			C[i * ldc + j] = (float)(alpha * s + (beta == 0 ? 0 : (double)beta * C[i * ldc + j]));
		}
}

double vla_act_ref(vla_act act, double x)
{
	switch (act) {
	case VLA_ACT_NONE: return x;
	case VLA_ACT_RELU: return fmax(x, 0);
	case VLA_ACT_RELU6: return fmin(fmax(x, 0), 6);
	case VLA_ACT_GELU: return 0.5 * x * (1 + erf(x / sqrt(2)));
	case VLA_ACT_GELU_TANH:
		return 0.5 * x * (1 + tanh(sqrt(2 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
	case VLA_ACT_QUICK_GELU: return x / (1 + exp(-1.702 * x));
	case VLA_ACT_SILU: return x / (1 + exp(-x));
	case VLA_ACT_HARD_SWISH: return x * fmin(fmax(x + 3, 0), 6) / 6;
	case VLA_ACT_SIGMOID: return 1 / (1 + exp(-x));
	case VLA_ACT_TANH: return tanh(x);
	}
	return NAN;
}

double vla_act_slope_ref(vla_act act, double x)
{
	double h = 1e-5;
	return (vla_act_ref(act, x + h) - vla_act_ref(act, x - h)) / (2 * h);
}

// Calls for each pair of an output and a tap inside the picture are the whole definition.
#define EACH_TAP(s, body) \
	for (size_t n = 0; n < (s)->n; n++) \
		for (size_t oy = 0; oy < (s)->oh; oy++) \
			for (size_t ox = 0; ox < (s)->ow; ox++) \
				for (size_t ky = 0; ky < (s)->kh; ky++) \
					for (size_t kx = 0; kx < (s)->kw; kx++) { \
						size_t py = oy * (s)->stride + ky, px = ox * (s)->stride + kx; \
						if (py < (s)->pad_top || px < (s)->pad_left) \
							continue; \
						size_t iy = py - (s)->pad_top, ix = px - (s)->pad_left; \
						if (iy >= (s)->h || ix >= (s)->w) \
							continue; \
						size_t in = ((n * (s)->h + iy) * (s)->w + ix) * (s)->c; \
						size_t out = ((n * (s)->oh + oy) * (s)->ow + ox) * (s)->oc; \
						size_t tap = ky * (s)->kw + kx, taps = (s)->kh * (s)->kw; \
						body \
					}

void vla_conv2d_ref(const vla_conv_shape *s, bool depthwise, const float *x, const float *w, const float *bias,
		    float *y)
{
	for (size_t i = 0; i < s->n * s->oh * s->ow * s->oc; i++)
		y[i] = bias ? bias[i % s->oc] : 0;
	EACH_TAP(s, {
		(void)taps;
		for (size_t o = 0; o < s->oc; o++)
			for (size_t i = depthwise ? o : 0; i < (depthwise ? o + 1 : s->c); i++)
				y[out + o] += x[in + i] * w[depthwise ? tap * s->c + i : (o * taps + tap) * s->c + i];
	})
}

void vla_conv2d_backward_ref(const vla_conv_shape *s, bool depthwise, const float *x, const float *w, const float *dy,
			     float *dx, float *dw)
{
	EACH_TAP(s, {
		for (size_t o = 0; o < s->oc; o++)
			for (size_t i = depthwise ? o : 0; i < (depthwise ? o + 1 : s->c); i++) {
				size_t at = depthwise ? tap * s->c + i : (o * taps + tap) * s->c + i;
				dx[in + i] += dy[out + o] * w[at];
				dw[at] += dy[out + o] * x[in + i];
			}
	})
}

void vla_batch_norm_stats_ref(size_t rows, size_t c, const float *x, float *mean, float *var)
{
	for (size_t i = 0; i < c; i++) {
		double s = 0, q = 0;
		for (size_t r = 0; r < rows; r++)
			s += x[r * c + i];
		s /= rows ? (double)rows : 1;
		for (size_t r = 0; r < rows; r++)
			q += (x[r * c + i] - s) * (x[r * c + i] - s);
		mean[i] = (float)s;
		var[i] = (float)(q / (rows ? (double)rows : 1));
	}
}

void vla_batch_norm_backward_ref(size_t rows, size_t c, const float *x, const float *dy, const float *gamma,
				 const float *beta, const float *mean, const float *rstd, vla_act act, bool batch,
				 float *dx, float *dgamma, float *dbeta)
{
	for (size_t i = 0; i < c; i++) {
		double s = 0, q = 0, n = rows ? (double)rows : 1;
		for (int pass = 0; pass < 2; pass++)
			for (size_t r = 0; r < rows; r++) {
				double h = ((double)x[r * c + i] - mean[i]) * rstd[i];
				double g = dy[r * c + i] * vla_act_slope_ref(act, h * gamma[i] + beta[i]);
				if (pass == 0) {
					s += g;
					q += g * h;
				} else {
					dx[r * c + i] +=
						(float)(gamma[i] * rstd[i] * (batch ? g - s / n - h * q / n : g));
				}
			}
		dgamma[i] += (float)q;
		dbeta[i] += (float)s;
	}
}

static void row_moments(size_t c, const float *x, float eps, double *mean, double *rstd)
{
	double s = 0, q = 0;
	for (size_t i = 0; i < c; i++)
		s += x[i];
	s /= (double)c;
	for (size_t i = 0; i < c; i++)
		q += (x[i] - s) * (x[i] - s);
	*mean = s;
	*rstd = 1 / sqrt(q / (double)c + eps);
}

void vla_layer_norm_ref(size_t rows, size_t c, const float *x, const float *gamma, const float *beta, float eps,
			float *y)
{
	for (size_t r = 0; r < rows && c; r++) {
		double m, s;
		row_moments(c, x + r * c, eps, &m, &s);
		for (size_t i = 0; i < c; i++)
			y[r * c + i] = (float)((x[r * c + i] - m) * s * gamma[i] + beta[i]);
	}
}

void vla_layer_norm_backward_ref(size_t rows, size_t c, const float *x, const float *dy, const float *gamma, float eps,
				 float *dx, float *dgamma, float *dbeta)
{
	for (size_t r = 0; r < rows && c; r++) {
		double m, s, a = 0, b = 0;
		row_moments(c, x + r * c, eps, &m, &s);
		for (size_t i = 0; i < c; i++) {
			double h = (x[r * c + i] - m) * s, g = (double)dy[r * c + i] * gamma[i];
			a += g;
			b += g * h;
			dgamma[i] += (float)(dy[r * c + i] * h);
			dbeta[i] += dy[r * c + i];
		}
		for (size_t i = 0; i < c; i++) {
			double h = (x[r * c + i] - m) * s, g = (double)dy[r * c + i] * gamma[i];
			dx[r * c + i] += (float)(s * (g - a / (double)c - h * b / (double)c));
		}
	}
}

void vla_softmax_ref(size_t rows, size_t c, float scale, const float *x, float *y)
{
	for (size_t r = 0; r < rows; r++) {
		double top = -INFINITY, sum = 0;
		for (size_t i = 0; i < c; i++)
			top = fmax(top, (double)x[r * c + i] * scale);
		for (size_t i = 0; i < c; i++)
			sum += exp((double)x[r * c + i] * scale - top);
		for (size_t i = 0; i < c; i++)
			y[r * c + i] = (float)(exp((double)x[r * c + i] * scale - top) / sum);
	}
}

static double dot(const float *a, const float *b, size_t n)
{
	double s = 0;
	for (size_t i = 0; i < n; i++)
		s += (double)a[i] * b[i];
	return s;
}

void vla_attention_ref(const vla_attention_shape *s, const float *q, const float *k, const float *v, float *out)
{
	size_t w = s->heads * s->d;
	for (size_t n = 0; n < s->n; n++)
		for (size_t h = 0; h < w; h += s->d)
			for (size_t i = 0; i < s->tq; i++) {
				double top = -INFINITY, sum = 0;
				float *o = out + (n * s->tq + i) * w + h;
				for (size_t e = 0; e < s->d; e++)
					o[e] = 0;
				for (int pass = 0; pass < 3; pass++)
					for (size_t j = 0; j < s->tk && (!s->lens || j < s->lens[n]); j++) {
						if (s->causal && j + s->tq > i + s->tk)
							continue;
						const float *key = k + (n * s->tk + j) * w + h;
						double z = dot(q + (n * s->tq + i) * w + h, key, s->d) /
							   sqrt((double)s->d);
						top = pass == 0 ? fmax(top, z) : top;
						sum += pass == 1 ? exp(z - top) : 0;
						for (size_t e = 0; pass == 2 && e < s->d; e++)
							o[e] += (float)(exp(z - top) / sum *
									v[(n * s->tk + j) * w + h + e]);
					}
			}
}

void vla_scores_ref(const float *data, size_t rows, size_t dim, const float *queries, size_t nq, float *out)
{
	for (size_t q = 0; q < nq; q++)
		for (size_t r = 0; r < rows; r++)
			out[q * rows + r] = (float)dot(data + r * dim, queries + q * dim, dim);
}
