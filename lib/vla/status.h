/* Status codes, error text and library-wide macros of libvla.
 *
 *	vla_err err = VLA_ERR_INIT;
 *	vla_reader *r;
 *	if (vla_reader_open("a.vle", &r, &err) != VLA_OK)
 *		fprintf(stderr, "cannot open: %s\n", err.msg);
 *
 * Whoever detects an error writes the message once; everyone above passes it on. The library
 * never prints and never exits.
 */
#ifndef VLA_STATUS_H
#define VLA_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VLA_VERSION_MAJOR 0
#define VLA_VERSION_MINOR 1
#define VLA_VERSION_PATCH 0

#if defined(__GNUC__)
#define VLA_API __attribute__((visibility("default")))
#define VLA_MUST_USE __attribute__((warn_unused_result))
#define VLA_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define VLA_API
#define VLA_MUST_USE
#define VLA_PRINTF(fmt, args)
#endif

/* Values are part of the interface: new ones are only appended. */
typedef enum vla_status {
	VLA_OK = 0,
	VLA_EOF = 1,     /* a complete end of input; not an error */
	VLA_EINVAL = -1, /* an argument or a shape does not fit */
	VLA_ENOMEM = -2,
	VLA_EIO = -3,          /* the system refused; the message holds its reason */
	VLA_EFORMAT = -4,      /* not the format that was expected */
	VLA_ETRUNC = -5,       /* the input ends too early */
	VLA_ECORRUPT = -6,     /* a checksum or an internal rule is broken */
	VLA_EVERSION = -7,     /* a newer version of a format */
	VLA_EUNSUPPORTED = -8, /* valid, but this build cannot do it */
	VLA_ECANCELED = -9     /* a callback asked to stop */
} vla_status;

/* Lives on the caller's stack; every function accepts NULL for it and leaves it untouched on
 * success. msg is a complete sentence part without a full stop. */
typedef struct vla_err {
	vla_status code;
	char msg[256];
} vla_err;

#define VLA_ERR_INIT \
	{ \
		VLA_OK, "" \
	}

/* "0.1.0"; static. */
VLA_API const char *vla_version(void);

/* A short constant name, "VLA_ETRUNC"; "VLA_?" for an unknown value. Static. */
VLA_API const char *vla_status_name(vla_status s);

/* For "did you mean": the nearest of n names within three edits, or NULL. */
VLA_API const char *vla_nearest(const char *name, const char *const *names, size_t n);

/* Receives a warning: msg is valid during the call only. */
typedef void vla_warn_fn(void *ctx, const char *msg);

#ifdef __cplusplus
}
#endif
#endif
