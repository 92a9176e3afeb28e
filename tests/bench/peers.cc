/* Other libraries behind plain functions, for bench_index: FAISS and hnswlib, each where its headers were found. */
#include <cstddef>
#include <cstdint>

#define EXPORT extern "C" __attribute__((visibility("default")))

#if defined(PEER_FAISS)
#include <faiss/IndexFlat.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/utils/distances.h>

EXPORT void *peer_faiss_flat(const float *x, size_t n, size_t d)
{
	auto *i = new faiss::IndexFlatIP((int)d);
	i->add((faiss::Index::idx_t)n, x);
	return i;
}

EXPORT void *peer_faiss_ivf(const float *x, size_t n, size_t d, size_t cells)
{
	auto *q = new faiss::IndexFlatIP((int)d);
	auto *i = new faiss::IndexIVFFlat(q, d, cells, faiss::METRIC_INNER_PRODUCT);
	i->train((faiss::Index::idx_t)n, x);
	i->add((faiss::Index::idx_t)n, x);
	return i;
}

EXPORT void peer_faiss_probes(void *i, size_t n)
{
	static_cast<faiss::IndexIVFFlat *>(static_cast<faiss::Index *>(i))->nprobe = n;
}

EXPORT void peer_faiss_search(void *i, const float *q, size_t nq, size_t k, float *score, int64_t *row)
{
	static_cast<faiss::Index *>(i)->search((faiss::Index::idx_t)nq, q, (faiss::Index::idx_t)k, score, row);
}
#endif

#if defined(PEER_HNSWLIB)
#include <hnswlib/hnswlib.h>

namespace {
struct graph {
	hnswlib::InnerProductSpace space;
	hnswlib::HierarchicalNSW<float> index;
	graph(size_t n, size_t d, size_t m, size_t effort) : space(d), index(&space, n, m, effort)
	{
	}
};
}

EXPORT void *peer_hnsw(const float *x, size_t n, size_t d, size_t m, size_t effort)
{
	auto *g = new graph(n, d, m, effort);
	for (size_t i = 0; i < n; i++)
		g->index.addPoint(x + i * d, i);
	return g;
}

EXPORT void peer_hnsw_search(void *p, const float *q, size_t nq, size_t d, size_t k, size_t breadth, int64_t *row)
{
	auto *g = static_cast<graph *>(p);
	g->index.setEf(breadth);
	for (size_t i = 0; i < nq; i++) {
		auto r = g->index.searchKnn(q + i * d, k);
		for (size_t j = r.size(); j-- > 0; r.pop())
			row[i * k + j] = (int64_t)r.top().second;
	}
}
#endif
