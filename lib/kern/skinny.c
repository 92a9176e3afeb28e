/* Matrix products whose right factor is small enough to stay in cache: the 1x1 convolutions of narrow networks, where a
 * general product spends its time on copying. The left factor is read in place; the right one is laid out once in
 * panels of sixteen columns. A tile of six rows and sixteen columns is kept in registers. */
#include "kern/skinny.h"

#include "kern/clones.h"

#define NR 16
#define MR 6
#define TALL_BLOCK 128 // rows of the long dimension at once in vla_skinny_tall

bool vla_skinny_fits(size_t N, size_t K)
{
	// A build without versions for wide lanes leaves all to OpenBLAS.
#if defined(__x86_64__) && (defined(VLA_HAVE_CLONES) || defined(__AVX2__))
	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
		return false;
#elif !defined(__aarch64__)
	return false;
#endif
	size_t n = (N + NR - 1) / NR * NR, most = VLA_SKINNY_PANELS;
#if defined(__x86_64__) && defined(__GNUC__)
	if (__builtin_cpu_supports("avx512f")) // lanes twice as wide are OpenBLAS's alone
		most /= 4;
#endif
	return N > 0 && K > 0 && n <= most && K <= most / n;
}

// One tile: C [mr, n] (+)= A [mr, K] panel [K, 16]. A's element (i, k) is at a[i * ra + k * ca].
VLA_INLINE void tile(size_t mr, size_t half, size_t n, size_t K, const float *a, size_t ra, size_t ca,
		     const float *panel, bool add, float *c, size_t ldc)
{
	vla_v8 s0[MR], s1[MR];
#pragma GCC unroll 6
	for (size_t i = 0; i < mr; i++)
		s0[i] = s1[i] = vla_v8_set(0);
	for (size_t k = 0; k < K; k++, panel += NR, a += ca) {
		vla_v8 b0 = vla_v8_load(panel), b1 = half ? b0 : vla_v8_load(panel + 8);
#pragma GCC unroll 6
		for (size_t i = 0; i < mr; i++) {
			vla_v8 v = vla_v8_set(a[i * ra]);
			s0[i] += v * b0;
			if (!half)
				s1[i] += v * b1;
		}
	}
	if (n == NR || (half && n == 8)) {
#pragma GCC unroll 6
		for (size_t i = 0; i < mr; i++, c += ldc) {
			vla_v8_store(c, add ? vla_v8_load(c) + s0[i] : s0[i]);
			if (!half)
				vla_v8_store(c + 8, add ? vla_v8_load(c + 8) + s1[i] : s1[i]);
		}
		return;
	}
	float t[MR * NR] = { 0 };
#pragma GCC unroll 6
	for (size_t i = 0; i < mr; i++) {
		vla_v8_store(t + i * NR, s0[i]);
		if (!half)
			vla_v8_store(t + i * NR + 8, s1[i]);
	}
	for (size_t i = 0; i < mr; i++)
		for (size_t j = 0; j < n; j++)
			c[i * ldc + j] = add ? c[i * ldc + j] + t[i * NR + j] : t[i * NR + j];
}

#define TILE(mr) \
	VLA_CLONES static void tile_##mr(size_t n, size_t K, const float *a, size_t ra, size_t ca, const float *panel, \
					 bool add, float *c, size_t ldc) \
	{ \
		if (n <= 8) \
			tile(mr, 1, n, K, a, ra, ca, panel, add, c, ldc); \
		else \
			tile(mr, 0, n, K, a, ra, ca, panel, add, c, ldc); \
	}

TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)

// All columns of mr rows, or all rows of a panel: tiles as equal as can be.
static void rows_panel(size_t M, size_t n, size_t K, const float *a, size_t ra, size_t ca, const float *panel, bool add,
		       float *c, size_t ldc)
{
	static void (*const tiles[])(size_t, size_t, const float *, size_t, size_t, const float *, bool, float *,
				     size_t) = {
		NULL, tile_1, tile_2, tile_3, tile_4, tile_5, tile_6,
	};
	for (size_t left = (M + MR - 1) / MR; left; left--) {
		size_t mr = (M + left - 1) / left;
		tiles[mr](n, K, a, ra, ca, panel, add, c, ldc);
		a += mr * ra;
		c += mr * ldc;
		M -= mr;
	}
}

// Element (k, j) of the right factor is at b[k * rb + j * cb].
VLA_CLONES static void pack(size_t N, size_t K, const float *b, size_t rb, size_t cb, float *panel)
{
	for (size_t j = 0; j < N; j += NR) {
		size_t n = N - j < NR ? N - j : NR;
		for (size_t k = 0; k < K; k++, panel += NR) {
			if (cb == 1 && n == NR) {
				memcpy(panel, b + k * rb + j, NR * sizeof *panel);
				continue;
			}
			for (size_t i = 0; i < NR; i++)
				panel[i] = i < n ? b[k * rb + (j + i) * cb] : 0;
		}
	}
}

#define ROWS 48 // of A that are multiplied with every panel before the next

void vla_skinny_rows(bool tb, size_t M, size_t N, size_t K, const float *A, size_t lda, const float *B, size_t ldb,
		     bool add, float *C, size_t ldc)
{
	float panels[VLA_SKINNY_PANELS];
	pack(N, K, B, tb ? 1 : ldb, tb ? ldb : 1, panels);
	for (size_t i = 0; i < M; i += ROWS) {
		size_t m = M - i < ROWS ? M - i : ROWS;
		for (size_t j = 0; j < N; j += NR)
			rows_panel(m, N - j < NR ? N - j : NR, K, A + i * lda, lda, 1, panels + j * K, add,
				   C + i * ldc + j, ldc);
	}
}

void vla_skinny_tall(size_t M, size_t N, size_t K, const float *A, size_t lda, const float *B, size_t ldb, bool add,
		     float *C, size_t ldc)
{
	float panels[TALL_BLOCK * NR];
	for (size_t k = 0; k < K; k += TALL_BLOCK) {
		size_t n = K - k < TALL_BLOCK ? K - k : TALL_BLOCK;
		for (size_t j = 0; j < N; j += NR) {
			size_t w = N - j < NR ? N - j : NR;
			pack(w, n, B + k * ldb + j, ldb, 1, panels);
			rows_panel(M, w, n, A + k * lda, 1, lda, panels, add || k > 0, C + j, ldc);
		}
	}
}
