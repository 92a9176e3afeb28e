/* Unicode as tokenizers need it: UTF-8, general categories, white space, lower case, normal forms. */
#ifndef VLA_TEXT_UNICODE_H
#define VLA_TEXT_UNICODE_H

#include "base/base.h"

/* General categories; the order is that of unicode_gen.py. */
typedef enum vla_gc {
	VLA_GC_LU,
	VLA_GC_LL,
	VLA_GC_LT,
	VLA_GC_LM,
	VLA_GC_LO,
	VLA_GC_MN,
	VLA_GC_MC,
	VLA_GC_ME,
	VLA_GC_ND,
	VLA_GC_NL,
	VLA_GC_NO,
	VLA_GC_PC,
	VLA_GC_PD,
	VLA_GC_PS,
	VLA_GC_PE,
	VLA_GC_PI,
	VLA_GC_PF,
	VLA_GC_PO,
	VLA_GC_SM,
	VLA_GC_SC,
	VLA_GC_SK,
	VLA_GC_SO,
	VLA_GC_ZS,
	VLA_GC_ZL,
	VLA_GC_ZP,
	VLA_GC_CC,
	VLA_GC_CF,
	VLA_GC_CS,
	VLA_GC_CO,
	VLA_GC_CN
} vla_gc;

/* The mask of a property name of one or two letters ("L", "Nd"); 0 when there is none. */
uint32_t vla_gc_mask(const char *name, size_t n);
vla_gc vla_gc_of(uint32_t c);
/* The White_Space property. */
bool vla_is_space(uint32_t c);
/* Unified and compatibility ideographs. */
bool vla_is_ideograph(uint32_t c);

/* Decodes the character at s (n > 0 bytes follow) and returns its length; an ill-formed sequence gives U+FFFD and
 * the length of its longest well-formed beginning (at least 1). */
size_t vla_utf8_get(const char *s, size_t n, uint32_t *c);
/* Writes c to out[4] and returns its length; a surrogate or a value out of range is written as U+FFFD. */
size_t vla_utf8_put(uint32_t c, char *out);
bool vla_utf8_valid(const char *s, size_t n);
vla_status vla_utf8_add(vla_buf *b, uint32_t c, vla_err *err) VLA_MUST_USE;
/* Appends s with every ill-formed sequence replaced by U+FFFD. */
vla_status vla_utf8_repair(const char *s, size_t n, vla_buf *out, vla_err *err) VLA_MUST_USE;

/* Both append to out and take well-formed UTF-8. final_sigma: a capital sigma that ends a word becomes U+03C2. */
vla_status vla_lower(const char *s, size_t n, bool final_sigma, vla_buf *out, vla_err *err) VLA_MUST_USE;
typedef enum vla_form { VLA_NFD, VLA_NFC, VLA_NFKD, VLA_NFKC } vla_form;
vla_status vla_normal_form(const char *s, size_t n, vla_form form, vla_buf *out, vla_err *err) VLA_MUST_USE;
vla_status vla_nfc(const char *s, size_t n, vla_buf *out, vla_err *err) VLA_MUST_USE;

/* The tables of unicode_data.c, normal_form_data.c and compat_data.c. */
typedef struct vla_u_lower_run {
	uint32_t start;
	uint16_t n;
	uint16_t stride;
	int32_t delta;
} vla_u_lower_run;

typedef struct vla_u_ccc_run {
	uint32_t start;
	uint16_t n;
	uint16_t ccc;
} vla_u_ccc_run;

typedef struct vla_u_pair {
	uint32_t c, a, b; /* c decomposes into a b; b 0 when into a alone */
} vla_u_pair;

typedef struct vla_u_compat_run {
	uint32_t start, n, to; /* start + i decomposes into to + i alone */
} vla_u_compat_run;

typedef struct vla_u_compat_long {
	uint32_t c;
	uint16_t off, n; /* in vla_u_compat_pool */
} vla_u_compat_long;

extern const vla_u_compat_run vla_u_compat[];
extern const size_t vla_u_compat_n;
extern const vla_u_compat_long vla_u_compat_many[];
extern const size_t vla_u_compat_many_n;
extern const uint16_t vla_u_compat_pool[];

extern const uint32_t vla_u_gc[]; /* first code point << 5 | category */
extern const size_t vla_u_gc_n;
extern const vla_u_lower_run vla_u_lower[];
extern const size_t vla_u_lower_n;
extern const vla_u_ccc_run vla_u_ccc[];
extern const size_t vla_u_ccc_n;
extern const vla_u_pair vla_u_decomp[];
extern const size_t vla_u_decomp_n;
extern const uint16_t vla_u_comp[]; /* indices of vla_u_decomp, sorted by (a, b) */
extern const size_t vla_u_comp_n;

#endif
