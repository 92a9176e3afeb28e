/* JSON text (RFC 8259) without a tree behind it: rows of manifests are many and long. */
#include "io/json_out.h"

static void put(vla_json_out *j, const char *s, size_t n)
{
	if (j->status == VLA_OK)
		j->status = vla_buf_add(&j->b, s, n, NULL);
}

static void put_string(vla_json_out *j, const char *s)
{
	put(j, "\"", 1);
	for (const char *from = s;; s++) {
		unsigned char c = (unsigned char)*s;
		if (c >= 32 && c != '"' && c != '\\')
			continue;
		put(j, from, (size_t)(s - from));
		if (!c)
			break;
		char e[8];
		int n = c < 32 ? snprintf(e, sizeof e, "\\u%04x", c) : snprintf(e, sizeof e, "\\%c", c);
		put(j, e, (size_t)n);
		from = s + 1;
	}
	put(j, "\"", 1);
}

static void begin(vla_json_out *j, const char *key)
{
	if (j->comma)
		put(j, ",", 1);
	j->comma = true;
	if (key) {
		put_string(j, key);
		put(j, ":", 1);
	}
}

void vla_json_open(vla_json_out *j, const char *key, char bracket)
{
	begin(j, key);
	put(j, &bracket, 1);
	j->comma = false;
}

void vla_json_close(vla_json_out *j, char bracket)
{
	put(j, &bracket, 1);
	j->comma = true;
}

void vla_json_text(vla_json_out *j, const char *key, const char *s)
{
	begin(j, key);
	if (s)
		put_string(j, s);
	else
		put(j, "null", 4);
}

void vla_json_int(vla_json_out *j, const char *key, int64_t v)
{
	char t[24];
	begin(j, key);
	put(j, t, (size_t)snprintf(t, sizeof t, "%lld", (long long)v));
}

void vla_json_number(vla_json_out *j, const char *key, double v, int digits)
{
	char t[400];
	begin(j, key);
	int n = snprintf(t, sizeof t, "%.*f", digits, v);
	while (digits && n > 1 && t[n - 1] == '0')
		n--;
	n -= digits && t[n - 1] == '.';
	if (n == 2 && !memcmp(t, "-0", 2))
		put(j, "0", 1);
	else
		put(j, t, (size_t)n);
}

void vla_json_bool(vla_json_out *j, const char *key, bool v)
{
	begin(j, key);
	put(j, v ? "true" : "false", v ? 4 : 5);
}

void vla_json_numbers(vla_json_out *j, const char *key, const double *v, size_t n, int digits)
{
	vla_json_open(j, key, '[');
	for (size_t i = 0; i < n; i++)
		vla_json_number(j, NULL, v[i], digits);
	vla_json_close(j, ']');
}

void vla_json_raw(vla_json_out *j, const char *key, const char *text, size_t n)
{
	begin(j, key);
	put(j, text, n);
}

void vla_json_reset(vla_json_out *j)
{
	j->b.n = 0;
	j->status = VLA_OK;
	j->comma = false;
}
