/* A pool of worker threads, shared by everything that computes.
 *
 *	vla_pool *pool;
 *	vla_pool_new(2, &pool, &err);
 *	...
 *	vla_pool_free(pool);
 *
 * One pool serves a process; the calling thread is one of its workers, so a pool of 1 starts no
 * thread. Results of numeric code do not depend on the number of threads unless a page says so.
 */
#ifndef VLA_POOL_H
#define VLA_POOL_H

#include <vla/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vla_pool vla_pool;

/* n threads in all, the caller included; 0 = the processors that this process may use.
 * VLA_OK, VLA_EINVAL (n > 1024), VLA_ENOMEM, VLA_EIO. Free with vla_pool_free. */
VLA_API vla_status vla_pool_new(unsigned n, vla_pool **out, vla_err *err) VLA_MUST_USE;

/* NULL is legal. No job may be running. */
VLA_API void vla_pool_free(vla_pool *pool);

/* Threads in all; 1 for NULL. */
VLA_API unsigned vla_pool_size(const vla_pool *pool);

#ifdef __cplusplus
}
#endif
#endif
