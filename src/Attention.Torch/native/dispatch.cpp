// Finds any operator of libtorch by name and calls it through the boxed dispatcher.
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/stack.h>

#include <cstring>
#include <mutex>
#include <sstream>
#include <unordered_map>

#include "errors.h"
#include "handles.h"

namespace {

using attention::borrow;
using attention::guarded;
using attention::last_error;
using c10::IValue;
using c10::TypeKind;
using torch::jit::Stack;

// How a schema's argument is filled.
struct Parameter {
  TypeKind kind;            // of the value, or of the element of a list
  bool list = false;
  bool optional = false;
  bool optional_elements = false;
  int fixed_length = 0;     // int[2] takes one int for both
  bool has_default = false;
  IValue fallback;
};

struct Direct;

struct Operator {
  explicit Operator(c10::OperatorHandle op) : handle(std::move(op)) {}
  c10::OperatorHandle handle;
  std::vector<Parameter> parameters;
  std::unique_ptr<Direct> direct;  // for operators that can do without a stack of boxed values
};

Parameter describe(const c10::Argument& argument) {
  Parameter p;
  c10::TypePtr type = argument.type();
  if (auto optional = type->cast<c10::OptionalType>()) {
    p.optional = true;
    type = optional->getElementType();
  }
  if (auto list = type->cast<c10::ListType>()) {
    p.list = true;
    type = list->getElementType();
    if (auto element = type->cast<c10::OptionalType>()) {
      p.optional_elements = true;
      type = element->getElementType();
    }
    p.fixed_length = argument.N().value_or(0);
  }
  p.kind = type->kind();
#if TORCH_VERSION_MAJOR >= 2
  if (p.kind == TypeKind::SymIntType) p.kind = TypeKind::IntType;
  if (p.kind == TypeKind::SymFloatType) p.kind = TypeKind::FloatType;
#endif
  if (argument.default_value().has_value()) {
    p.has_default = true;
    p.fallback = *argument.default_value();
  }
  return p;
}

// --- direct calls ----------------------------------------------------------------------------
// Operators of tensors followed by numbers, which are most of the small ones, are called with C++ arguments: without
// boxing, and without touching reference counts.

// The tensor of a handle, for the time that the caller keeps the handle.
const at::Tensor& lent(const AttValue& v) {
  static_assert(sizeof(at::Tensor) == sizeof(void*), "a tensor is its pointer");
  return reinterpret_cast<const at::Tensor&>(v.p);
}

at::Scalar to_scalar(const AttValue& v) {
  switch (v.tag) {
    case ATT_INT: return v.i;
    case ATT_DOUBLE: return v.d;
    case ATT_BOOL: return v.i != 0;
    default: {
      auto* parts = static_cast<const double*>(v.p);
      return c10::complex<double>(parts[0], parts[1]);
    }
  }
}

bool is_scalar(const AttValue& v) {
  return v.tag == ATT_INT || v.tag == ATT_DOUBLE || v.tag == ATT_BOOL || v.tag == ATT_COMPLEX;
}

constexpr int MAX_DIRECT_TENSORS = 3;
constexpr int MAX_DIRECT_SCALARS = 2;

struct Direct {
  int tensors = 0;
  int scalars = 0;
  at::Scalar fallback[MAX_DIRECT_SCALARS];
  bool has_default[MAX_DIRECT_SCALARS] = {};

  virtual ~Direct() = default;
  virtual at::Tensor call(const AttValue* tensors, const at::Scalar* scalars) const = 0;

  // Whether these are its arguments, all but numbers that have a default.
  bool takes(const AttValue* values, int count) const {
    if (count < tensors || count > tensors + scalars) return false;
    for (int i = 0; i < tensors; i++)
      if (values[i].tag != ATT_TENSOR) return false;
    for (int i = tensors; i < count; i++)
      if (!is_scalar(values[i])) return false;
    for (int i = count - tensors; i < scalars; i++)
      if (!has_default[i]) return false;
    return true;
  }
};

template <size_t>
using TensorArgument = const at::Tensor&;
template <size_t>
using ScalarArgument = const at::Scalar&;

template <typename Tensors, typename Scalars, bool in_place>
struct DirectCall;

template <size_t... T, size_t... S>
struct DirectCall<std::index_sequence<T...>, std::index_sequence<S...>, false> : Direct {
  using Signature = at::Tensor(TensorArgument<T>..., ScalarArgument<S>...);
  c10::TypedOperatorHandle<Signature> op;
  explicit DirectCall(const c10::OperatorHandle& handle) : op(handle.typed<Signature>()) {}
  at::Tensor call(const AttValue* tensors, const at::Scalar* scalars) const override {
    (void)scalars;
    return op.call(lent(tensors[T])..., scalars[S]...);
  }
};

// The first tensor is changed and is the result.
template <size_t First, size_t... T, size_t... S>
struct DirectCall<std::index_sequence<First, T...>, std::index_sequence<S...>, true> : Direct {
  using Signature = at::Tensor&(at::Tensor&, TensorArgument<T>..., ScalarArgument<S>...);
  c10::TypedOperatorHandle<Signature> op;
  explicit DirectCall(const c10::OperatorHandle& handle) : op(handle.typed<Signature>()) {}
  at::Tensor call(const AttValue* tensors, const at::Scalar* scalars) const override {
    (void)scalars;
    return op.call(const_cast<at::Tensor&>(lent(tensors[0])), lent(tensors[T])..., scalars[S]...);
  }
};

template <size_t tensors, size_t scalars>
std::unique_ptr<Direct> make_direct(const c10::OperatorHandle& handle, bool in_place) {
  using Tensors = std::make_index_sequence<tensors>;
  using Scalars = std::make_index_sequence<scalars>;
  if (in_place) return std::make_unique<DirectCall<Tensors, Scalars, true>>(handle);
  return std::make_unique<DirectCall<Tensors, Scalars, false>>(handle);
}

// Null where the operator takes or gives anything else.
std::unique_ptr<Direct> find_direct(const Operator& op) {
  const auto& schema = op.handle.schema();
  if (schema.returns().size() != 1 || schema.returns()[0].type()->kind() != TypeKind::TensorType) return nullptr;
  int tensors = 0, scalars = 0;
  bool in_place = false;
  for (size_t i = 0; i < op.parameters.size(); i++) {
    const Parameter& p = op.parameters[i];
    const auto* alias = schema.arguments()[i].alias_info();
    bool written = alias != nullptr && alias->isWrite();
    if (p.list || p.optional || (written && i > 0)) return nullptr;
    in_place |= written;
    if (p.kind == TypeKind::TensorType && scalars == 0) tensors++;
    else if (p.kind == TypeKind::NumberType) scalars++;
    else return nullptr;
  }
  std::unique_ptr<Direct> direct;
  try {
    switch (tensors * 10 + scalars) {
      case 10: direct = make_direct<1, 0>(op.handle, in_place); break;
      case 11: direct = make_direct<1, 1>(op.handle, in_place); break;
      case 12: direct = make_direct<1, 2>(op.handle, in_place); break;
      case 20: direct = make_direct<2, 0>(op.handle, in_place); break;
      case 21: direct = make_direct<2, 1>(op.handle, in_place); break;
      case 30: direct = make_direct<3, 0>(op.handle, in_place); break;
      case 31: direct = make_direct<3, 1>(op.handle, in_place); break;
      default: return nullptr;
    }
  } catch (const c10::Error&) {
    return nullptr;  // its kernels have another C++ signature
  }
  direct->tensors = tensors;
  direct->scalars = scalars;
  for (int i = 0; i < scalars; i++) {
    const Parameter& p = op.parameters[tensors + i];
    direct->has_default[i] = p.has_default;
    if (p.has_default) direct->fallback[i] = p.fallback.toScalar();
  }
  return direct;
}

// --- boxed calls -----------------------------------------------------------------------------

// Operators are found once and live as long as the process.
Operator* find(const std::string& name, const std::string& overload) {
  static std::mutex mutex;
  static std::unordered_map<std::string, std::unique_ptr<Operator>> found;
  std::string key = overload.empty() ? name : name + "." + overload;
  std::lock_guard<std::mutex> lock(mutex);
  auto it = found.find(key);
  if (it != found.end()) return it->second.get();
  auto handle = c10::Dispatcher::singleton().findSchema({name, overload});
  if (!handle.has_value()) return nullptr;
  auto op = std::make_unique<Operator>(*handle);
  for (const auto& argument : handle->schema().arguments()) op->parameters.push_back(describe(argument));
  op->direct = find_direct(*op);
  return (found[key] = std::move(op)).get();
}

[[noreturn]] void mismatch(const Operator& op, size_t index, const char* given) {
  const auto& argument = op.handle.schema().arguments()[index];
  throw std::invalid_argument("argument '" + argument.name() + "' takes " + argument.type()->annotation_str() +
                              ", not " + given);
}

double as_double(const Operator& op, size_t index, const AttValue& v) {
  if (v.tag == ATT_DOUBLE) return v.d;
  if (v.tag == ATT_INT || v.tag == ATT_BOOL) return static_cast<double>(v.i);
  mismatch(op, index, "this value");
}

IValue to_list(const Operator& op, size_t index, const Parameter& p, const AttValue& v) {
  switch (p.kind) {
    case TypeKind::IntType: {
      c10::List<int64_t> list;
      if (v.tag == ATT_INT) {
        for (int i = 0; i < std::max(1, p.fixed_length); i++) list.push_back(v.i);
      } else if (v.tag == ATT_INT_LIST) {
        auto* items = static_cast<const int64_t*>(v.p);
        list.reserve(v.length);
        for (int i = 0; i < v.length; i++) list.push_back(items[i]);
      } else {
        mismatch(op, index, "this value");
      }
      return list;
    }
    case TypeKind::FloatType: {
      c10::List<double> list;
      if (v.tag == ATT_DOUBLE_LIST) {
        auto* items = static_cast<const double*>(v.p);
        for (int i = 0; i < v.length; i++) list.push_back(items[i]);
      } else {
        for (int i = 0; i < std::max(1, p.fixed_length); i++) list.push_back(as_double(op, index, v));
      }
      return list;
    }
    case TypeKind::BoolType: {
      if (v.tag != ATT_BOOL_LIST) mismatch(op, index, "this value");
      c10::List<bool> list;
      auto* items = static_cast<const uint8_t*>(v.p);
      for (int i = 0; i < v.length; i++) list.push_back(items[i] != 0);
      return list;
    }
    case TypeKind::TensorType: {
      if (v.tag != ATT_TENSOR_LIST) mismatch(op, index, v.tag == ATT_TENSOR ? "one tensor" : "this value");
      auto* handles = static_cast<const AttTensor*>(v.p);
      if (p.optional_elements) {
        c10::List<c10::optional<at::Tensor>> list;
        list.reserve(v.length);
        for (int i = 0; i < v.length; i++)
          list.push_back(handles[i] ? c10::optional<at::Tensor>(borrow(handles[i])) : c10::optional<at::Tensor>());
        return list;
      }
      c10::List<at::Tensor> list;
      list.reserve(v.length);
      for (int i = 0; i < v.length; i++) list.push_back(borrow(handles[i]));
      return list;
    }
    default:
      mismatch(op, index, "a list");
  }
}

IValue to_ivalue(const Operator& op, size_t index, const AttValue& v) {
  const Parameter& p = op.parameters[index];
  if (v.tag == ATT_NONE) {
    if (p.kind == TypeKind::TensorType && !p.list && !p.optional) return at::Tensor();
    if (p.optional) return IValue();
    if (p.has_default) return p.fallback;
    mismatch(op, index, "nothing");
  }
  if (p.list) return to_list(op, index, p, v);
  switch (p.kind) {
    case TypeKind::TensorType:
      if (v.tag == ATT_TENSOR) return borrow(v.p);
      break;
    case TypeKind::IntType:
      if (v.tag == ATT_INT || v.tag == ATT_BOOL) return v.i;
      break;
    case TypeKind::FloatType:
      return as_double(op, index, v);
    case TypeKind::BoolType:
      if (v.tag == ATT_BOOL || v.tag == ATT_INT) return v.i != 0;
      break;
    case TypeKind::NumberType:
      if (v.tag == ATT_INT) return v.i;
      if (v.tag == ATT_DOUBLE) return v.d;
      if (v.tag == ATT_BOOL) return v.i != 0;
      if (v.tag == ATT_COMPLEX) {
        auto* parts = static_cast<const double*>(v.p);
        return c10::complex<double>(parts[0], parts[1]);
      }
      break;
    case TypeKind::StringType:
      if (v.tag == ATT_STRING) return std::string(static_cast<const char*>(v.p), v.length);
      break;
    case TypeKind::DeviceObjType:
      if (v.tag == ATT_DEVICE)
        return c10::Device(static_cast<c10::DeviceType>(v.i), static_cast<c10::DeviceIndex>(v.length));
      break;
    case TypeKind::GeneratorType:
      if (v.tag == ATT_GENERATOR)
        return at::Generator(c10::intrusive_ptr<c10::GeneratorImpl>::reclaim_copy(
            static_cast<c10::GeneratorImpl*>(const_cast<void*>(v.p))));
      break;
    default:
      // ScalarType, Layout and MemoryFormat are ints in a schema before 2.x and kinds of their own after it.
      if (v.tag == ATT_INT) return v.i;
      break;
  }
  mismatch(op, index, "this value");
}

// Lists handed out live here until the thread's next call.
std::vector<std::vector<AttTensor>>& list_results() {
  static thread_local std::vector<std::vector<AttTensor>> lists;
  return lists;
}

std::vector<std::vector<int64_t>>& int_list_results() {
  static thread_local std::vector<std::vector<int64_t>> lists;
  return lists;
}

AttValue to_result(IValue&& value) {
  AttValue result{};
  if (value.isTensor()) {
    result.tag = ATT_TENSOR;
    result.p = attention::release(std::move(value).toTensor());
  } else if (value.isInt()) {
    result.tag = ATT_INT;
    result.i = value.toInt();
  } else if (value.isDouble()) {
    result.tag = ATT_DOUBLE;
    result.d = value.toDouble();
  } else if (value.isBool()) {
    result.tag = ATT_BOOL;
    result.i = value.toBool();
  } else if (value.isTensorList()) {
    std::vector<AttTensor> handles;
    for (at::Tensor tensor : value.toTensorVector()) handles.push_back(attention::release(std::move(tensor)));
    list_results().push_back(std::move(handles));
    result.tag = ATT_TENSOR_LIST;
    result.length = static_cast<int32_t>(list_results().back().size());
    result.p = list_results().back().data();
  } else if (value.isIntList()) {
    int_list_results().push_back(value.toIntVector());
    result.tag = ATT_INT_LIST;
    result.length = static_cast<int32_t>(int_list_results().back().size());
    result.p = int_list_results().back().data();
  } else if (value.isComplexDouble()) {
    // Returned as a list of two doubles would need its own storage; item() reads complex tensors through view_as_real.
    throw std::invalid_argument("complex results are read through view_as_real");
  } else if (!value.isNone()) {
    throw std::invalid_argument("a result of type " + value.tagKind() + " cannot be returned");
  }
  return result;
}

}  // namespace

ATT_EXPORT const char* att_last_error() { return last_error().c_str(); }

// The operator "aten::add" with overload "Tensor", or null when this libtorch has none of that name.
ATT_EXPORT void* att_find_operator(const char* name, const char* overload) {
  return guarded<void*>(nullptr, [&]() -> void* {
    return find(name, overload);
  });
}

// Writes the position of each of the comma-separated argument names, and returns their number.
ATT_EXPORT int att_argument_positions(void* op, const char* names, int32_t* positions, int capacity) {
  return guarded(-1, [&] {
    const auto& schema = static_cast<Operator*>(op)->handle.schema();
    std::stringstream stream(names);
    std::string name;
    int count = 0;
    while (std::getline(stream, name, ',')) {
      auto index = schema.argumentIndexWithName(name);
      if (!index.has_value()) throw std::invalid_argument("no argument '" + name + "' in " + c10::toString(schema));
      if (count == capacity) throw std::invalid_argument("too many argument names");
      positions[count++] = *index;
    }
    return count;
  });
}

// The schemas of all overloads of an operator, a line each. Returns the length needed.
ATT_EXPORT int att_operator_schemas(const char* name, char* buffer, int capacity) {
  return guarded(-1, [&] {
    std::string text;
    for (const auto& op : c10::Dispatcher::singleton().getAllOpNames()) {
      if (op.name != name) continue;
      if (auto handle = c10::Dispatcher::singleton().findSchema(op)) text += c10::toString(handle->schema()) + "\n";
    }
    if (static_cast<int>(text.size()) < capacity) std::memcpy(buffer, text.c_str(), text.size() + 1);
    return static_cast<int>(text.size());
  });
}

namespace {

// The thread's stack of values, moved out while in use, so that a nested call starts with its own.
struct BorrowedStack {
  static Stack& spare() {
    static thread_local Stack stack;
    return stack;
  }
  Stack values;
  BorrowedStack() : values(std::move(spare())) { values.clear(); }
  ~BorrowedStack() {
    values.clear();
    spare() = std::move(values);
  }
};

int call_boxed(const Operator& op, const AttValue* values, const int32_t* positions, int count, AttValue* results,
               int capacity) {
  BorrowedStack borrowed;
  Stack& stack = borrowed.values;
  const size_t arity = op.parameters.size();
  stack.reserve(arity);
  auto fallback = [&](size_t i) -> const IValue& {
    if (!op.parameters[i].has_default)
      throw std::invalid_argument("argument '" + op.handle.schema().arguments()[i].name() + "' is missing");
    return op.parameters[i].fallback;
  };
  if (positions == nullptr) {
    if (static_cast<size_t>(count) > arity)
      throw std::invalid_argument("takes " + std::to_string(arity) + " arguments, not " + std::to_string(count));
    for (int i = 0; i < count; i++) stack.push_back(to_ivalue(op, i, values[i]));
    for (size_t i = count; i < arity; i++) stack.push_back(fallback(i));
  } else {
    for (size_t i = 0; i < arity; i++) {
      int given = count - 1;
      while (given >= 0 && positions[given] != static_cast<int32_t>(i)) given--;
      stack.push_back(given >= 0 ? to_ivalue(op, i, values[given]) : fallback(i));
    }
  }
  op.handle.callBoxed(stack);
  const int size = static_cast<int>(stack.size());
  if (capacity == 0) return size;
  if (size > capacity) throw std::invalid_argument("more results than asked for");
  list_results().clear();
  int_list_results().clear();
  list_results().reserve(size);
  for (int i = 0; i < size; i++) results[i] = to_result(std::move(stack[i]));
  return size;
}

}  // namespace

// Calls an operator. `positions` (or null: in order) says which argument of the schema each value is;
// arguments that are not given take the schema's default. With a capacity of 0, results are dropped.
// Returns the number of results or -1.
ATT_EXPORT int att_call(void* operator_handle, const AttValue* values, const int32_t* positions, int count,
                        AttValue* results, int capacity) {
  return guarded(-1, [&]() -> int {
    const Operator& op = *static_cast<Operator*>(operator_handle);
    const Direct* direct = op.direct.get();
    if (direct == nullptr || positions != nullptr || !direct->takes(values, count))
      return call_boxed(op, values, positions, count, results, capacity);
    at::Scalar scalars[MAX_DIRECT_SCALARS];
    for (int i = 0; i < direct->scalars; i++) {
      const int given = direct->tensors + i;
      scalars[i] = given < count ? to_scalar(values[given]) : direct->fallback[i];
    }
    at::Tensor result = direct->call(values, scalars);
    if (capacity > 0) {
      results->tag = ATT_TENSOR;
      results->p = attention::release(std::move(result));
    }
    return 1;
  });
}
