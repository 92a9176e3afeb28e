/* Worker threads for parallel loops. One loop runs at a time; workers take pieces from a shared counter. Between
 * loops they spin briefly before they sleep, since a training step starts hundreds of short loops. */
#define _GNU_SOURCE // sched_getaffinity
#include "base/base.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define SPIN 2000

struct vla_pool {
	unsigned n;
	pthread_t *thread; // [n - 1]
	pthread_mutex_t lock;
	pthread_cond_t wake, done;
	atomic_uint epoch; // counts loops
	atomic_uint busy;  // workers that have not left the current loop
	atomic_bool stop;
	atomic_flag taken; // a second caller at the same time computes alone
	vla_range_fn *fn;
	void *ctx;
	size_t count, piece;
	atomic_size_t next;
};

struct worker {
	vla_pool *pool;
	unsigned id;
};

// A loop inside a loop runs in its own thread.
static _Thread_local bool inside;

static void run_pieces(vla_pool *p, unsigned worker)
{
	inside = true;
	for (;;) {
		size_t begin = atomic_fetch_add(&p->next, p->piece);
		if (begin >= p->count)
			break;
		size_t end = p->count - begin > p->piece ? begin + p->piece : p->count;
		p->fn(p->ctx, begin, end, worker);
	}
	inside = false;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	vla_pool *p = w->pool;
	unsigned id = w->id, seen = 0;
	free(w);
	for (;;) {
		for (int i = 0; i < SPIN && atomic_load(&p->epoch) == seen && !atomic_load(&p->stop); i++)
			if (i > SPIN / 2)
				sched_yield();
		if (atomic_load(&p->epoch) == seen) {
			pthread_mutex_lock(&p->lock);
			while (atomic_load(&p->epoch) == seen && !atomic_load(&p->stop))
				pthread_cond_wait(&p->wake, &p->lock);
			pthread_mutex_unlock(&p->lock);
		}
		if (atomic_load(&p->stop))
			return NULL;
		seen = atomic_load(&p->epoch);
		run_pieces(p, id);
		if (atomic_fetch_sub(&p->busy, 1) == 1) {
			pthread_mutex_lock(&p->lock);
			pthread_cond_signal(&p->done);
			pthread_mutex_unlock(&p->lock);
		}
	}
}

static unsigned usable_cpus(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof set, &set) != 0)
		return 1;
	int n = CPU_COUNT(&set);
	return n > 0 ? (unsigned)n : 1;
}

vla_status vla_pool_new(unsigned n, vla_pool **out, vla_err *err)
{
	if (n > 1024)
		return vla_fail(err, VLA_EINVAL, "%u threads are more than 1024", n);
	if (n == 0)
		n = usable_cpus();
	vla_pool *p = calloc(1, sizeof *p);
	pthread_t *t = calloc(n, sizeof *t);
	if (!p || !t) {
		free(p);
		free(t);
		return vla_nomem(err);
	}
	p->thread = t;
	p->n = 1;
	atomic_flag_clear(&p->taken);
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
	pthread_cond_init(&p->done, NULL);
	for (unsigned i = 1; i < n; i++) {
		struct worker *w = malloc(sizeof *w);
		if (w)
			*w = (struct worker){ p, i };
		if (!w || pthread_create(&t[i - 1], NULL, work, w) != 0) {
			vla_status s =
				w ? vla_fail(err, VLA_EIO, "cannot start thread %u of %u", i + 1, n) : vla_nomem(err);
			free(w);
			vla_pool_free(p);
			return s;
		}
		p->n++;
	}
	*out = p;
	return VLA_OK;
}

void vla_pool_free(vla_pool *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	atomic_store(&p->stop, true);
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i + 1 < p->n; i++)
		pthread_join(p->thread[i], NULL);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->wake);
	pthread_cond_destroy(&p->done);
	free(p->thread);
	free(p);
}

unsigned vla_pool_size(const vla_pool *p)
{
	return p ? p->n : 1;
}

void vla_parallel(vla_pool *p, size_t n, size_t grain, vla_range_fn *fn, void *ctx)
{
	if (n == 0)
		return;
	if (!grain)
		grain = 1;
	if (!p || p->n == 1 || inside || n <= grain || atomic_flag_test_and_set(&p->taken)) {
		fn(ctx, 0, n, 0);
		return;
	}
	// Four pieces a worker even out what the scheduler takes away.
	size_t piece = n / (4 * (size_t)p->n);
	p->piece = piece < grain ? grain : piece;
	p->fn = fn;
	p->ctx = ctx;
	p->count = n;
	atomic_store(&p->next, 0);
	atomic_store(&p->busy, p->n - 1);
	pthread_mutex_lock(&p->lock);
	atomic_fetch_add(&p->epoch, 1);
	pthread_cond_broadcast(&p->wake);
	pthread_mutex_unlock(&p->lock);
	run_pieces(p, 0);
	for (int i = 0; i < SPIN && atomic_load(&p->busy); i++)
		if (i > SPIN / 2)
			sched_yield();
	pthread_mutex_lock(&p->lock);
	while (atomic_load(&p->busy))
		pthread_cond_wait(&p->done, &p->lock);
	pthread_mutex_unlock(&p->lock);
	atomic_flag_clear(&p->taken);
}
