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

struct Operator {
  explicit Operator(c10::OperatorHandle op) : handle(std::move(op)) {}
  c10::OperatorHandle handle;
  std::vector<Parameter> parameters;
  std::string name;
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
  op->name = key;
  for (const auto& argument : handle->schema().arguments()) op->parameters.push_back(describe(argument));
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

// Calls an operator. `positions` (or null: in order) says which argument of the schema each value is;
// arguments that are not given take the schema's default. Returns the number of results or -1.
ATT_EXPORT int att_call(void* operator_handle, const AttValue* values, const int32_t* positions, int count,
                        AttValue* results, int capacity) {
  // One stack a thread, moved out while in use, so that a nested call starts with its own.
  static thread_local Stack spare;
  Stack stack = std::move(spare);
  stack.clear();
  int written = guarded(-1, [&] {
    const Operator& op = *static_cast<Operator*>(operator_handle);
    const size_t arity = op.parameters.size();
    if (positions == nullptr) {
      if (static_cast<size_t>(count) > arity)
        throw std::invalid_argument("takes " + std::to_string(arity) + " arguments, not " + std::to_string(count));
      for (int i = 0; i < count; i++) stack.push_back(to_ivalue(op, i, values[i]));
    } else {
      stack.resize(arity);
      std::vector<bool> given(arity, false);
      for (int i = 0; i < count; i++) {
        stack[positions[i]] = to_ivalue(op, positions[i], values[i]);
        given[positions[i]] = true;
      }
      for (size_t i = 0; i < arity; i++)
        if (!given[i]) {
          if (!op.parameters[i].has_default)
            throw std::invalid_argument("argument '" + op.handle.schema().arguments()[i].name() + "' is missing");
          stack[i] = op.parameters[i].fallback;
        }
    }
    for (size_t i = stack.size(); i < arity; i++) {
      if (!op.parameters[i].has_default)
        throw std::invalid_argument("argument '" + op.handle.schema().arguments()[i].name() + "' is missing");
      stack.push_back(op.parameters[i].fallback);
    }
    op.handle.callBoxed(stack);
    if (static_cast<int>(stack.size()) > capacity) throw std::invalid_argument("more results than asked for");
    if (!list_results().empty()) list_results().clear();
    if (!int_list_results().empty()) int_list_results().clear();
    list_results().reserve(stack.size());
    for (size_t i = 0; i < stack.size(); i++) results[i] = to_result(std::move(stack[i]));
    return static_cast<int>(stack.size());
  });
  stack.clear();
  spare = std::move(stack);
  return written;
}
