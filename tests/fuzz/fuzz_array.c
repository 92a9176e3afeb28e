/* Fuzz target: any bytes as an .npy or .fbin array, with numbers as ids and with the same bytes as ids. */
#include "base/base.h"

#include <vla/convert.h>

#include "file.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 1000 }; // an array of empty records may say that it has any number of them

static void read_array(const char *path, vla_form form, const char *ids)
{
	vla_source *in;
	vla_form_opts o = VLA_FORM_OPTS_INIT;
	vla_rec rec = VLA_REC_INIT;
	o.ids = ids;
	if (vla_source_open(path, form, &o, &in, NULL) != VLA_OK)
		return;
	const vla_header *h = vla_source_header(in);
	vla_status s = VLA_OK;
	for (size_t n = 0; n < MOST && (s == VLA_OK || s == VLA_EINVAL); n++) {
		s = vla_source_next(in, &rec, NULL);
		for (size_t i = 0; s == VLA_OK && i < rec.rows * h->dim; i++)
			if (!isfinite(rec.data[i]))
				abort();
		if (s == VLA_OK && (!rec.id || strchr(rec.id, 0) < rec.id))
			abort();
	}
	vla_source_close(in);
	vla_rec_release(&rec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_file f;
	if (size > 1 << 16 || !fuzz_plain(&f, data, size))
		return 0;
	read_array(f.path, VLA_FORM_NPY, NULL);
	read_array(f.path, VLA_FORM_NPY, f.path);
	read_array(f.path, VLA_FORM_FBIN, NULL);
	read_array(f.path, VLA_FORM_FBIN, f.path);
	fuzz_remove(&f);
	return 0;
}
