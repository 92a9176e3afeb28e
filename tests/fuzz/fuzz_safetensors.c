/* Fuzz target: any bytes as a safetensors file. */
#include "io/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *header = NULL;
	vla_ct *t = NULL;
	size_t n = 0;
	if (vla_safetensors_parse(data, size, &header, &t, &n, NULL) != VLA_OK)
		return 0;
	float out[64];
	for (size_t i = 0; i < n; i++)
		if (t[i].n <= 64 && vla_ct_to_f32(&t[i], out, NULL) != VLA_OK)
			break;
	json_decref(header);
	free(t);
	return 0;
}
