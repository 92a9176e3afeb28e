/* Bounded heap for the best hits. */
#include "index/topk.h"

#include <math.h>

static bool worse(const vla_hit *a, const vla_hit *b)
{
	return vla_hit_before(b->score, b->row, a->score, a->row);
}

static void sift_down(vla_hit *h, size_t n, size_t i)
{
	for (;;) {
		size_t w = i, l = 2 * i + 1, r = l + 1;
		if (l < n && worse(&h[l], &h[w]))
			w = l;
		if (r < n && worse(&h[r], &h[w]))
			w = r;
		if (w == i)
			return;
		vla_hit t = h[i];
		h[i] = h[w];
		h[w] = t;
		i = w;
	}
}

void vla_topk_push_slow(vla_topk *t, float score, uint64_t row)
{
	vla_hit v = { row, score, NAN };
	if (t->k == 0)
		return;
	if (t->n == t->k) {
		t->hit[0] = v;
		sift_down(t->hit, t->n, 0);
		return;
	}
	size_t i = t->n++;
	t->hit[i] = v;
	while (i && worse(&t->hit[i], &t->hit[(i - 1) / 2])) {
		vla_hit s = t->hit[i];
		t->hit[i] = t->hit[(i - 1) / 2];
		t->hit[(i - 1) / 2] = s;
		i = (i - 1) / 2;
	}
}

void vla_topk_sort(vla_topk *t)
{
	// The worst is at the root: moving it to the end, again and again, leaves the best first.
	for (size_t n = t->n; n > 1; n--) {
		vla_hit s = t->hit[0];
		t->hit[0] = t->hit[n - 1];
		t->hit[n - 1] = s;
		sift_down(t->hit, n - 1, 0);
	}
}

float vla_kth_largest(float *v, size_t n, size_t k)
{
	size_t lo = 0, hi = n - 1;
	k--;
	while (lo < hi) {
		float pivot = v[lo + (hi - lo) / 2];
		size_t i = lo, j = hi;
		for (;;) {
			while (v[i] > pivot)
				i++;
			while (v[j] < pivot)
				j--;
			if (i >= j)
				break;
			float t = v[i];
			v[i++] = v[j];
			v[j--] = t;
		}
		// v[lo .. j] >= pivot >= v[j + 1 .. hi]
		if (k <= j)
			hi = j;
		else
			lo = j + 1;
	}
	return v[k];
}
