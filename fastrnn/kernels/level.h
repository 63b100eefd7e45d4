/* One instruction set: the vector functions for float and for double, and products of int8.
   levels.h includes this file with LEVEL, VECTOR_BYTES and TARGET defined, and it clears them. */

#define JOIN_(f, type, level) f##_##type##_##level
#define JOIN(f, type, level) JOIN_(f, type, level)

#define REAL float
#define TABLE table_float
#define INTEGER int32_t
#define IS_FLOAT 1
#define NAME(f) JOIN(f, float, LEVEL)
#include "functions.h"
#undef REAL
#undef TABLE
#undef INTEGER
#undef IS_FLOAT
#undef NAME

#define REAL double
#define TABLE table_double
#define INTEGER int64_t
#define IS_FLOAT 0
#define NAME(f) JOIN(f, double, LEVEL)
#include "functions.h"
#undef REAL
#undef TABLE
#undef INTEGER
#undef IS_FLOAT
#undef NAME

#define NAME(f) JOIN(f, int8, LEVEL)
#include "int8.h"
#undef NAME

#undef JOIN_
#undef JOIN
#undef LEVEL
#undef VECTOR_BYTES
#undef TARGET
