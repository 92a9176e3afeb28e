/* The vocabulary of the micro-world. Chinese words for positions carry "画面", so that they cannot be taken for the
 * relations that use the same characters. */
#include "world/words.h"

static const vla_word shapes[VLA_SHAPES] = {
	{ "circle", { "circle", "disc" }, { "circles", "discs" }, { "圆形", "圆" } },
	{ "square", { "square" }, { "squares" }, { "正方形", "方块" } },
	{ "triangle", { "triangle" }, { "triangles" }, { "三角形", "三角" } },
	{ "star", { "star" }, { "stars" }, { "星形", "星星" } },
	{ "heart", { "heart" }, { "hearts" }, { "心形", "爱心" } },
	{ "cross", { "cross", "plus" }, { "crosses", "pluses" }, { "十字", "十字形" } },
	{ "ring", { "ring" }, { "rings" }, { "圆环", "环形" } },
	{ "diamond", { "diamond", "rhombus" }, { "diamonds", "rhombuses" }, { "菱形" } },
	{ "crescent", { "crescent", "moon" }, { "crescents", "moons" }, { "月牙", "月亮" } },
	{ "arrow", { "arrow" }, { "arrows" }, { "箭头" } },
	{ "hexagon", { "hexagon" }, { "hexagons" }, { "六边形" } },
	{ "oval", { "oval", "ellipse" }, { "ovals", "ellipses" }, { "椭圆形", "椭圆" } },
	{ "flower", { "flower" }, { "flowers" }, { "花形", "花朵" } },
	{ "drop", { "drop", "teardrop" }, { "drops", "teardrops" }, { "水滴", "水滴形" } },
};

static const vla_word colours[VLA_COLOURS] = {
	{ "red", { "red" }, { NULL }, { "红色", "红" } },
	{ "green", { "green" }, { NULL }, { "绿色", "绿" } },
	{ "blue", { "blue" }, { NULL }, { "蓝色", "蓝" } },
	{ "yellow", { "yellow" }, { NULL }, { "黄色", "黄" } },
	{ "purple", { "purple", "violet" }, { NULL }, { "紫色", "紫" } },
	{ "orange", { "orange" }, { NULL }, { "橙色", "橘色" } },
	{ "pink", { "pink" }, { NULL }, { "粉色", "粉红色" } },
	{ "brown", { "brown" }, { NULL }, { "棕色", "褐色" } },
	{ "black", { "black" }, { NULL }, { "黑色", "黑" } },
	{ "white", { "white" }, { NULL }, { "白色", "白" } },
	{ "gray", { "gray", "grey" }, { NULL }, { "灰色", "灰" } },
	{ "cyan", { "cyan", "turquoise" }, { NULL }, { "青色", "青绿色" } },
};

static const vla_word textures[VLA_TEXTURES] = {
	{ "plain", { "plain", "solid" }, { NULL }, { "纯色", "素色" } },
	{ "striped", { "striped", "stripy" }, { NULL }, { "条纹", "带条纹的" } },
	{ "dotted", { "dotted", "spotted" }, { NULL }, { "圆点", "带圆点的" } },
	{ "checkered", { "checkered", "checked" }, { NULL }, { "格子", "带格子的" } },
	{ "wavy", { "wavy", "rippled" }, { NULL }, { "波浪纹", "带波浪纹的" } },
};

static const vla_word materials[VLA_MATERIALS] = {
	{ "matte", { "matte" }, { NULL }, { "哑光" } },
	{ "metal", { "metal", "metallic" }, { NULL }, { "金属", "金属的" } },
	{ "glass", { "glass", "transparent" }, { NULL }, { "玻璃", "透明" } },
	{ "fuzzy", { "fuzzy", "furry" }, { NULL }, { "毛绒", "毛茸茸的" } },
};

static const vla_word sizes[VLA_SIZES] = {
	{ "small", { "small", "little" }, { NULL }, { "小", "小小的" } },
	{ "medium", { "medium", "medium-sized" }, { NULL }, { "中等大小的", "中等的" } },
	{ "large", { "large", "big" }, { NULL }, { "大", "大大的" } },
};

static const vla_word cells[VLA_CELLS] = {
	{ "top left", { "in the top left", "in the upper left" }, { NULL }, { "画面左上角", "画面左上方" } },
	{ "top", { "at the top" }, { NULL }, { "画面顶部", "画面上方" } },
	{ "top right", { "in the top right", "in the upper right" }, { NULL }, { "画面右上角", "画面右上方" } },
	{ "left", { "on the left" }, { NULL }, { "画面左侧", "画面左边" } },
	{ "center", { "in the center", "in the middle" }, { NULL }, { "画面中央", "画面中间" } },
	{ "right", { "on the right" }, { NULL }, { "画面右侧", "画面右边" } },
	{ "bottom left", { "in the bottom left", "in the lower left" }, { NULL }, { "画面左下角", "画面左下方" } },
	{ "bottom", { "at the bottom" }, { NULL }, { "画面底部", "画面下方" } },
	{ "bottom right", { "in the bottom right", "in the lower right" }, { NULL }, { "画面右下角", "画面右下方" } },
};

static const vla_word relations[VLA_RELATIONS] = {
	{ "left of", { "to the left of", "left of" }, { NULL }, { "左边", "左侧" } },
	{ "right of", { "to the right of", "right of" }, { NULL }, { "右边", "右侧" } },
	{ "above", { "above", "higher than" }, { NULL }, { "上方", "上面" } },
	{ "below", { "below", "lower than" }, { NULL }, { "下方", "下面" } },
	{ "inside", { "inside", "within" }, { NULL }, { "里面", "内部" } },
	{ "in front of", { "in front of" }, { NULL }, { "前面", "前方" } },
	{ "behind", { "behind" }, { NULL }, { "后面", "后方" } },
};

// Position is the number.
static const vla_word numbers[] = {
	{ "0", { "no", "zero" }, { NULL }, { "零个" } },   { "1", { "one" }, { NULL }, { "一个" } },
	{ "2", { "two" }, { NULL }, { "两个", "2个" } },   { "3", { "three" }, { NULL }, { "三个", "3个" } },
	{ "4", { "four" }, { NULL }, { "四个", "4个" } },  { "5", { "five" }, { NULL }, { "五个", "5个" } },
	{ "6", { "six" }, { NULL }, { "六个", "6个" } },   { "7", { "seven" }, { NULL }, { "七个", "7个" } },
	{ "8", { "eight" }, { NULL }, { "八个", "8个" } }, { "9", { "nine" }, { NULL }, { "九个", "9个" } },
	{ "10", { "ten" }, { NULL }, { "十个", "10个" } }, { "11", { "eleven" }, { NULL }, { "十一个" } },
	{ "12", { "twelve" }, { NULL }, { "十二个" } },
};

const vla_word *vla_words(enum vla_factor f, size_t *n)
{
	switch (f) {
	case VLA_SHAPE: *n = VLA_SHAPES; return shapes;
	case VLA_COLOUR: *n = VLA_COLOURS; return colours;
	case VLA_TEXTURE: *n = VLA_TEXTURES; return textures;
	case VLA_MATERIAL: *n = VLA_MATERIALS; return materials;
	case VLA_SIZE: *n = VLA_SIZES; return sizes;
	case VLA_CELL: *n = VLA_CELLS; return cells;
	case VLA_RELATION: *n = VLA_RELATIONS; return relations;
	case VLA_NUMBER: *n = sizeof numbers / sizeof *numbers; return numbers;
	default: *n = 0; return NULL;
	}
}

const char *vla_factor_name(enum vla_factor f)
{
	static const char *const name[VLA_FACTORS] = { "shape", "colour", "texture",  "material", "size",
						       "class", "cell",   "relation", "number" };
	return f < VLA_FACTORS ? name[f] : "";
}

int vla_word_find(enum vla_factor f, const char *name)
{
	size_t n;
	const vla_word *w = vla_words(f, &n);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(w[i].name, name))
			return (int)i;
	return -1;
}

bool vla_word_plain(enum vla_factor f, int value)
{
	return (f == VLA_TEXTURE && value == VLA_PLAIN) || (f == VLA_MATERIAL && value == VLA_MATTE) ||
	       (f == VLA_SIZE && value == VLA_MEDIUM);
}
