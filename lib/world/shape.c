/* The shapes as point tests, in a frame of radius 1 with y down. */
#include "world/scene.h"

#include <math.h>

typedef struct point {
	float x, y;
} point;

static const point triangle[] = { { 0, -1.02f }, { .93f, .62f }, { -.93f, .62f } };
static const point star[] = { { 0, -1.08f },       { .259f, -.357f }, { 1.027f, -.334f }, { .419f, .136f },
			      { .635f, .874f },    { 0, .44f },       { -.635f, .874f },  { -.419f, .136f },
			      { -1.027f, -.334f }, { -.259f, -.357f } };
static const point hexagon[] = { { .96f, 0 },  { .48f, .83f },   { -.48f, .83f },
				 { -.96f, 0 }, { -.48f, -.83f }, { .48f, -.83f } };
static const point arrow[] = { { 1, 0 },        { .2f, -.8f }, { .2f, -.32f }, { -.95f, -.32f },
			       { -.95f, .32f }, { .2f, .32f }, { .2f, .8f } };
static const point drop[] = { { 0, -1.05f }, { .56f, .08f }, { -.56f, .08f } };

// Even-odd rule.
static bool in_polygon(const point *p, size_t n, float u, float v)
{
	bool in = false;
	for (size_t i = 0, j = n - 1; i < n; j = i++)
		if ((p[i].y > v) != (p[j].y > v) && u < (p[j].x - p[i].x) * (v - p[i].y) / (p[j].y - p[i].y) + p[i].x)
			in = !in;
	return in;
}

#define IN(p) in_polygon(p, sizeof p / sizeof *p, u, v)

static bool in_heart(float u, float v)
{
	float x = u * 1.18f, y = -v * 1.18f + .1f, q = x * x + y * y - 1;
	return q * q * q - x * x * y * y * y <= 0;
}

bool vla_shape_covers(int shape, float u, float v)
{
	float q = u * u + v * v, a = fabsf(u), b = fabsf(v), du = u - .45f;
	switch (shape) {
	case 0: return q <= .81f;
	case 1: return a <= .79f && b <= .79f;
	case 2: return IN(triangle);
	case 3: return IN(star);
	case 4: return in_heart(u, v);
	case 5: return (a <= .31f && b <= .95f) || (b <= .31f && a <= .95f);
	case 6: return q <= .88f && q >= .27f;
	case 7: return a / .68f + b / 1.05f <= 1;
	case 8: return q <= .92f && du * du + v * v >= .5f;
	case 9: return IN(arrow);
	case 10: return IN(hexagon);
	case 11: return u * u / 1.06f + v * v / .36f <= 1;
	case 12: {
		float r = .68f + .28f * cosf(5 * atan2f(u, -v));
		return q <= r * r;
	}
	default: return u * u + (v - .36f) * (v - .36f) <= .39f || IN(drop);
	}
}

float vla_shape_reach(int shape)
{
	static const float reach[VLA_SHAPES] = { .9f,   1.12f, 1.13f, 1.09f, 1.05f, 1.0f, .94f,
						 1.05f, .97f,  1.01f, .97f,  1.04f, .97f, 1.06f };
	return reach[shape];
}

// A ragged edge: the radius changes from one small angle to the next.
static float ragged(uint32_t seed, float u, float v)
{
	unsigned k = (unsigned)((atan2f(v, u) + 3.2f) * 9);
	uint32_t h = (seed ^ k * 0x9e3779b9u) * 0x85ebca6bu;
	return .92f + .16f * (float)(h >> 16 & 255) / 255;
}

bool vla_thing_covers(const vla_thing *t, float x, float y, bool filled)
{
	float dx = (x - t->x) / t->r, dy = (y - t->y) / t->r;
	if (dx * dx + dy * dy > 1.6f)
		return false;
	float c = cosf(t->angle), s = sinf(t->angle), u = c * dx + s * dy, v = c * dy - s * dx;
	int shape = t->is[VLA_SHAPE];
	if (t->is[VLA_MATERIAL] == VLA_FUZZY) {
		float k = 1 / ragged(t->seed, u, v);
		u *= k;
		v *= k;
	}
	return vla_shape_covers(filled && shape == 6 ? 0 : shape, u, v);
}
