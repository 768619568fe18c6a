// C++ exceptions become messages here; none leaves the library.
#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <string>

namespace attention {

inline std::string& last_error() {
  static thread_local std::string message;
  return message;
}

template <typename Result, typename Body>
Result guarded(Result failure, Body&& body) {
  try {
    return body();
  } catch (const c10::Error& e) {
    last_error() = e.what_without_backtrace();
  } catch (const std::exception& e) {
    last_error() = e.what();
  } catch (...) {
    last_error() = "unknown C++ exception";
  }
  return failure;
}

}  // namespace attention
