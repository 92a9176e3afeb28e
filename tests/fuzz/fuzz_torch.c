/* Fuzz target: any bytes as a file of torch.save; those that begin with a pickle's mark as the pickle inside one. */
#include "io/pickle.h"
#include "io/torch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_pickle(const uint8_t *data, size_t size)
{
	vla_arena *arena = vla_arena_new(0);
	vla_pickle_tensor *t = NULL;
	size_t n = 0;
	if (arena && vla_pickle_tensors(data, size, arena, &t, &n, NULL) == VLA_OK)
		for (size_t i = 0; i < n; i++)
			if (t[i].ndim > VLA_MAX_DIMS || !t[i].name[0])
				abort();
	vla_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	vla_arena *owner = NULL;
	vla_ct *t = NULL;
	size_t n = 0;
	if (size && data[0] == 0x80)
		read_pickle(data, size);
	if (vla_torch_parse(data, size, &owner, &t, &n, NULL) != VLA_OK)
		return 0;
	float out[64];
	for (size_t i = 0; i < n; i++)
		if (t[i].n <= 64 && vla_ct_to_f32(&t[i], out, NULL) != VLA_OK)
			break;
	vla_arena_free(owner);
	return 0;
}
