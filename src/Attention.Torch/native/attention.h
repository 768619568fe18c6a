// The C interface between the managed API and libtorch.
//
// Every function that can fail returns a negative number or null and leaves its message in
// att_last_error() of the same thread. A tensor handle is a c10::TensorImpl* that holds one
// reference; functions borrow the handles they are given and own none of them afterwards.
#pragma once

#include <cstdint>

#define ATT_EXPORT extern "C" __attribute__((visibility("default")))

// A tensor handle: a TensorImpl* with one reference.
typedef void* AttTensor;

// What an AttValue holds.
enum AttTag : int32_t {
  ATT_NONE = 0,
  ATT_TENSOR = 1,
  ATT_INT = 2,
  ATT_DOUBLE = 3,
  ATT_BOOL = 4,
  ATT_STRING = 5,
  ATT_INT_LIST = 6,
  ATT_DOUBLE_LIST = 7,
  ATT_BOOL_LIST = 8,
  ATT_TENSOR_LIST = 9,
  ATT_DEVICE = 10,
  ATT_GENERATOR = 11,
  ATT_COMPLEX = 12,
};

// One argument or result of an operator: 16 bytes, laid out as its managed twin.
struct AttValue {
  int32_t tag;
  int32_t length;  // of a string or list; the index of a device (-1: current)
  union {
    int64_t i;
    double d;
    const void* p;
  };
};
