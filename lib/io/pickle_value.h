/* The inside of the pickle machine: its values, shared by pickle.c and pickle_call.c. */
#ifndef VLA_IO_PICKLE_VALUE_H
#define VLA_IO_PICKLE_VALUE_H

#include "io/pickle.h"

typedef enum vtype {
	V_NONE,
	V_INT, /* booleans too */
	V_TEXT,
	V_TUPLE,
	V_LIST,
	V_DICT,   /* list of key, value, key, value, ... */
	V_OBJECT, /* a module: the same, of its attributes */
	V_GLOBAL,
	V_STORAGE,
	V_TENSOR,
	V_OTHER, /* a number that is no size */
	V_MARK   /* never a value */
} vtype;

typedef enum global {
	G_ORDERED_DICT,
	G_TENSOR,  /* _rebuild_tensor_v2 */
	G_TENSOR3, /* _rebuild_tensor_v3: an untyped storage and a dtype */
	G_PARAMETER,
	G_TYPED,  /* _rebuild_from_type_v2 */
	G_SAME,   /* gives back its first argument */
	G_CLASS,  /* only ever named */
	G_DTYPE,  /* dtype says which */
	G_MODULE, /* a class of a TorchScript archive */
	G_STORAGE /* dtype says which */
} global;

typedef struct value value;

typedef struct list {
	value *v;
	size_t n, cap;
} list;

struct value {
	vtype type;
	global global;
	vla_dtype dtype; /* of a global */
	union {
		int64_t i;
		list *list;
		struct {
			const char *p;
			size_t n;
		} text;
		vla_pickle_tensor *tensor; /* storages use key, dtype and storage of it */
	};
};

typedef struct machine {
	const unsigned char *p, *end;
	vla_arena *arena;
	value *stack, *memo;
	size_t n, cap, nmemo, memoized;
	bool stopped;
	vla_err err;
} machine;

/* false with m->err set; module and name are not NUL-terminated. */
bool pickle_global(machine *m, const char *module, size_t module_n, const char *name, size_t name_n, value *out);
bool pickle_storage(machine *m, const value *id, value *out);
bool pickle_call(machine *m, const value *f, const value *args, unsigned depth, value *out);
/* Walks what the pickle built; on failure m->err is set. */
void pickle_collect(machine *m, const value *root, vla_arena *arena, vla_pickle_tensor **out, size_t *count);

#endif
