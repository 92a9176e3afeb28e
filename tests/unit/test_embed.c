/* The embedding pipeline: order, pictures that fail, ends of all kinds, memory; queries as sums of texts and pictures.
 */
#include "model/net.h"

#include <vla/embed.h>
#include <vla/query.h>

#include "fault.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static const char config[] =
	"{\"model_type\": \"vla_dual\", \"dim\": 12, \"image\": {\"tower\": \"convnet\", \"size\": 32,"
	" \"stem\": {\"channels\": 8}, \"hidden\": 16, \"stages\": [{\"channels\": 8, \"expand\": 1, \"stride\": 2}]}}";

static char dir[64];

struct run {
	size_t n, at, bad_every, stop_at; // pictures in all; every bad_every-th is damaged; stop_at: put fails there
	size_t got, reported;
	bool ordered;
	size_t next_id;
	float first[64 * 12]; // vectors of the first pictures
};

static bool is_bad(const struct run *r, size_t i)
{
	return r->bad_every && i % r->bad_every == 1;
}

static void paint(uint8_t *p, size_t i, size_t side)
{
	for (size_t k = 0; k < side * side * 3; k++)
		p[k] = (uint8_t)(i * 31 + k * (i + 3) / 7);
}

// Pictures come decoded, encoded and as files in turn.
static vla_status next(void *ctx, vla_picture *out, vla_err *err)
{
	struct run *r = ctx;
	char name[128];
	size_t i = r->at, side = 20 + i % 30;
	if (i == r->n)
		return VLA_EOF;
	r->at++;
	snprintf(name, sizeof name, "%zu", i);
	out->id = vla_strdup(name);
	if (!out->id)
		return vla_nomem(err);
	if (i % 3 == 2 || is_bad(r, i)) {
		snprintf(name, sizeof name, "%s/%zu.ppm", dir, is_bad(r, i) ? (size_t)999 : i % 6);
		out->path = vla_strdup(name);
		return out->path ? VLA_OK : vla_nomem(err);
	}
	char head[32];
	int h = snprintf(head, sizeof head, "P6 %zu %zu 255\n", side, side);
	out->nbytes = (size_t)h + side * side * 3;
	out->bytes = malloc(out->nbytes);
	if (!out->bytes)
		return vla_nomem(err);
	memcpy(out->bytes, head, (size_t)h);
	paint((uint8_t *)out->bytes + h, i, side);
	if (i % 3 == 1) {
		VLA_TRY(vla_image_decode(out->bytes, out->nbytes, NULL, &out->image, err));
		free(out->bytes);
		out->bytes = NULL;
	}
	return VLA_OK;
}

static void expect(struct run *r, const char *id)
{
	r->ordered = r->ordered && strtoul(id, NULL, 10) == r->next_id;
	r->next_id++;
}

static vla_status put(void *ctx, const vla_rec *rec, vla_err *err)
{
	struct run *r = ctx;
	expect(r, rec->id);
	if (r->stop_at && r->got == r->stop_at)
		return vla_fail(err, VLA_ECANCELED, "enough");
	if (r->got < 64)
		memcpy(r->first + r->got * 12, rec->data, 12 * sizeof(float));
	r->got++;
	return VLA_OK;
}

static vla_status bad(void *ctx, const char *id, const vla_err *why, vla_err *err)
{
	struct run *r = ctx;
	(void)err;
	expect(r, id);
	r->reported++;
	r->ordered = r->ordered && why->code == VLA_EIO && is_bad(r, strtoul(id, NULL, 10));
	return VLA_OK;
}

static vla_status go(vla_model *m, struct run *r, uint32_t batch, uint32_t loaders, vla_err *err)
{
	vla_embed_opts o = VLA_EMBED_OPTS_INIT;
	o.batch = batch;
	o.loaders = loaders;
	o.next = next;
	o.put = put;
	o.bad = bad;
	o.ctx = r;
	r->ordered = true;
	return vla_embed_pictures(m, &o, err);
}

static void test_order(vla_model *m)
{
	static struct run one, many;
	vla_err err = VLA_ERR_INIT;
	one = (struct run){ .n = 100 };
	ok(go(m, &one, 1, 1, &err) == VLA_OK && one.got == 100 && one.ordered, "one at a time, one thread %s", err.msg);
	static const uint32_t shapes[][2] = { { 7, 3 }, { 32, 2 }, { 100, 4 }, { 200, 1 } };
	for (size_t i = 0; i < 4; i++) {
		many = (struct run){ .n = 100 };
		bool same = go(m, &many, shapes[i][0], shapes[i][1], &err) == VLA_OK && many.got == 100 && many.ordered;
		for (size_t k = 0; k < 64 * 12; k++)
			same = same && fabsf(one.first[k] - many.first[k]) < 1e-5f;
		ok(same, "batches of %u, %u threads: the same in the same order", shapes[i][0], shapes[i][1]);
	}
	many = (struct run){ .n = 50, .bad_every = 4 };
	ok(go(m, &many, 8, 2, &err) == VLA_OK && many.got == 37 && many.reported == 13 && many.ordered,
	   "bad ones are told in their place");
	many = (struct run){ .n = 0 };
	ok(go(m, &many, 8, 2, &err) == VLA_OK && many.got == 0, "no picture");
	many = (struct run){ .n = 90, .stop_at = 20 };
	ok(go(m, &many, 8, 2, &err) == VLA_ECANCELED && many.got == 20, "a callback ends it");
}

static void test_memory(vla_model *m)
{
	static struct run r;
	vla_err err = VLA_ERR_INIT;
	bool clean = true;
	long n = 0;
	vla_status s = VLA_ENOMEM;
	while (FAULTS && clean && s != VLA_OK && n < 4000) {
		r = (struct run){ .n = 9 };
		long live = fault_live();
		fault_at(++n);
		s = go(m, &r, 4, 1, &err);
		fault_at(0);
		// A picture that no memory could be had for is a bad one, hence not every failure ends the run.
		if (s == VLA_OK && r.reported)
			s = VLA_ENOMEM;
		clean = fault_live() <= live + 8; // the model's own scratch may grow
		if (!clean)
			note("%ld: %s, %ld blocks kept", n, vla_status_name(s), fault_live() - live);
	}
	if (FAULTS)
		ok(clean && s == VLA_OK && n > 10, "each of %ld allocations may fail", n);
	else
		skip("allocation failures need the plain build");
}

static void test_queries(vla_model *m)
{
	vla_err err = VLA_ERR_INIT;
	vla_queries *q = NULL;
	char a[160], b[128];
	snprintf(a, sizeof a, "%s/2.ppm", dir);
	snprintf(b, sizeof b, "%s/5.ppm", dir);
	bool good = vla_queries_new(&q, &err) == VLA_OK && vla_queries_add_image(q, a, &err) == VLA_OK &&
		    vla_queries_add_image_term(q, a, 2, &err) == VLA_OK &&
		    vla_queries_add_image(q, b, &err) == VLA_OK &&
		    vla_queries_add_image_term(q, b, -0.5f, &err) == VLA_OK && vla_queries_embed(q, m, &err) == VLA_OK;
	ok(good && vla_queries_count(q) == 3, "two pictures and their sum are three queries %s", err.msg);
	if (good) {
		const float *v = vla_queries_vectors(q);
		double length = 0, off = 0;
		float sum[12];
		for (size_t c = 0; c < 12; c++) {
			sum[c] = 2 * v[c] - 0.5f * v[24 + c];
			length += (double)sum[c] * sum[c];
		}
		for (size_t c = 0; c < 12; c++)
			off = fmax(off, fabs(sum[c] / sqrt(length) - v[12 + c]));
		ok(off < 1e-6, "the sum is weighted and of unit length");
		snprintf(a, sizeof a, "%s/2.ppm %s/5.ppm", dir, dir);
		ok(strcmp(vla_queries_name(q, 1), a) == 0 && !vla_queries_name(q, 3), "named by its terms");
	}
	vla_queries_clear(q);
	ok(vla_queries_count(q) == 0, "cleared");
	ok(vla_queries_add_term(q, "dog", &err) == VLA_EINVAL && vla_queries_add_term(q, "+", &err) == VLA_EINVAL &&
		   vla_queries_add_term(q, "-2:", &err) == VLA_EINVAL &&
		   vla_queries_add_term(q, "+0:x", &err) == VLA_EINVAL,
	   "terms that are none");
	ok(vla_queries_add_term(q, "-.5:a dog", &err) == VLA_OK && strcmp(vla_queries_name(q, 0), "-.5:a dog") == 0,
	   "a weighted term");
	ok(vla_queries_embed(q, m, &err) == VLA_EUNSUPPORTED, "texts need a text tower: %s", err.msg);
	vla_queries_free(q);
}

int main(void)
{
	vla_err err = VLA_ERR_INIT;
	vla_model *m = NULL;
	vla_pool *pool = NULL;
	char path[128];
	snprintf(dir, sizeof dir, "/tmp/vla-embed-%ld", (long)getpid());
	snprintf(path, sizeof path, "mkdir -p %s", dir);
	if (system(path) != 0 || vla_pool_new(2, &pool, &err) != VLA_OK)
		return 2;
	for (size_t i = 2; i < 6; i += 3) {
		static uint8_t p[40 * 40 * 3];
		snprintf(path, sizeof path, "%s/%zu.ppm", dir, i);
		vla_image im = { 40, 40, 3, p, sizeof p };
		paint(p, i, 40);
		if (vla_image_save(path, &im, &err) != VLA_OK)
			return 2;
	}
	vla_model_opts o = { .pool = pool, .compute = VLA_COMPUTE_F32 };
	json_t *j = json_loads(config, 0, NULL);
	if (!j || vla_model_create(j, NULL, &o, 1, &m, &err) != VLA_OK) {
		note("%s", err.msg);
		return 2;
	}
	json_decref(j);
	test_order(m);
	test_memory(m);
	test_queries(m);
	vla_model_close(m);
	vla_pool_free(pool);
	snprintf(path, sizeof path, "rm -r %s", dir);
	return system(path) != 0 ? 2 : done();
}
