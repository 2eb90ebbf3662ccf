#include "arguments.hpp"

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdint>
#include <cstring>
#include <thread>

namespace structmat {
namespace {

constexpr Entry entries[] = {
    {'f', "float32", "f", sizeof(float), 1},
    {'d', "float64", "d", sizeof(double), 1},
    {'F', "complex64", "Zf", sizeof(float), 2},
    {'D', "complex128", "Zd", sizeof(double), 2},
};

// Whether a format of the buffer protocol is the expected one in the byte order of this machine.
bool matches(const char* format, const char* expected) {
  if (format == nullptr) return false;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
  const char native = '<';
#else
  const char native = '>';
#endif
  if (*format == '@' || *format == '=' || *format == native) ++format;
  return std::strcmp(format, expected) == 0;
}

std::uintptr_t address(const Py_buffer& view) { return reinterpret_cast<std::uintptr_t>(view.buf); }

}  // namespace

void take_gil(PyThreadState* state) noexcept {
  try {
    PyEval_RestoreThread(state);
  } catch (...) {
    // Before Python 3.14, a thread that asks for the GIL of an interpreter that shuts down is
    // ended by unwinding its stack. Destructors would then release Python's buffers without the
    // GIL, so the thread sleeps, as it does from 3.14 on.
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }
}

const Entry* find_entry(int code) {
  for (const Entry& entry : entries) {
    if (entry.code == code) return &entry;
  }
  return nullptr;
}

void Argument::take(PyObject* object, const Entry& entry, Access access, int dimensions) {
  if (object == Py_None) return;
  const int flags = PyBUF_STRIDES | PyBUF_FORMAT;
  if (PyObject_GetBuffer(object, &view_, flags | (access == Access::write ? PyBUF_WRITABLE : 0)) <
      0) {
    if (PyErr_ExceptionMatches(PyExc_MemoryError)) throw PythonError();
    PyErr_Clear();
    if (access == Access::write && PyObject_GetBuffer(object, &view_, flags) == 0) {
      PyBuffer_Release(&view_);
      fail(PyExc_ValueError, "%s: %s is read-only, expected a writable array", function_, name_);
    }
    PyErr_Clear();
    fail(PyExc_TypeError, "%s: %s must be an array that supports the buffer protocol, got %R",
         function_, name_, reinterpret_cast<PyObject*>(Py_TYPE(object)));
  }
  given_ = true;

  const Index size = entry.scalar_size * entry.scalars;
  if (!matches(view_.format, entry.format) || view_.itemsize != size) {
    fail(PyExc_TypeError, "%s: %s has entries of format '%s' (%zd bytes), expected '%s' (%s)",
         function_, name_, view_.format == nullptr ? "B" : view_.format, view_.itemsize,
         entry.format, entry.name);
  }
  if (view_.ndim < 1 || view_.ndim > dimensions) {
    fail(PyExc_ValueError, "%s: %s has %d dimensions, expected %s", function_, name_, view_.ndim,
         dimensions == 1 ? "1" : "1 or 2");
  }
  const int last = view_.ndim - 1;
  rows_ = last == 0 ? 1 : view_.shape[0];
  width_ = view_.shape[last];
  row_bytes_ = width_ * size;
  if (width_ > 1 && view_.strides[last] != size) {
    fail(PyExc_ValueError,
         "%s: the last axis of %s must be contiguous, got entries %zd bytes apart, expected %zd",
         function_, name_, view_.strides[last], size);
  }
  // The stride of an axis of length 1 has no meaning, and may be anything.
  stride_bytes_ = rows_ > 1 ? view_.strides[0] : row_bytes_;
  if (address(view_) % entry.scalar_size != 0 || stride_bytes_ % entry.scalar_size != 0) {
    fail(PyExc_ValueError, "%s: %s is not aligned to %zd bytes", function_, name_,
         entry.scalar_size);
  }
  stride_ = stride_bytes_ / entry.scalar_size;
}

void Argument::take_rows(PyObject* object, const Entry& entry, Access access) {
  take(object, entry, access, 2);
  const Index distance = stride_bytes_ < 0 ? -stride_bytes_ : stride_bytes_;
  if (access == Access::write && distance < row_bytes_) {
    fail(PyExc_ValueError,
         "%s: rows of %s overlap: they are %zd bytes apart, expected at least %zd", function_,
         name_, stride_bytes_, row_bytes_);
  }
}

void Argument::take_vector(PyObject* object, const Entry& entry, Access access) {
  take(object, entry, access, 1);
}

void Argument::require() const {
  if (!given_) fail(PyExc_TypeError, "%s: %s must be an array, got None", function_, name_);
}

void Argument::check_width(Index largest) const {
  if (!given_ || (width_ >= 1 && width_ <= largest)) return;
  fail(PyExc_ValueError, "%s: %s has %zd entries along its last axis, expected 1 to %zd", function_,
       name_, width_, largest);
}

void Argument::check_width_is_that_of(const Argument& other) const {
  if (!given_ || !other.given_ || width_ == other.width_) return;
  fail(PyExc_ValueError, "%s: %s has %zd entries along its last axis, expected %zd, as %s",
       function_, name_, width_, other.width_, other.name_);
}

void Argument::check_size(Index size) const {
  if (!given_ || width_ == size) return;
  fail(PyExc_ValueError, "%s: %s has %zd entries, expected %zd", function_, name_, width_, size);
}

void Argument::check_size_at_least(Index size) const {
  if (!given_ || width_ >= size) return;
  fail(PyExc_ValueError, "%s: %s has %zd entries, expected at least %zd", function_, name_, width_,
       size);
}

void Argument::check_rows_are_those_of(const Argument& other) const {
  if (!given_ || rows_ == other.rows_) return;
  fail(PyExc_ValueError, "%s: %s has %zd rows, expected %zd, as %s", function_, name_, rows_,
       other.rows_, other.name_);
}

bool Argument::is(const Argument& other) const {
  return view_.buf == other.view_.buf && rows_ == other.rows_ && width_ == other.width_ &&
         stride_ == other.stride_;
}

bool Argument::overlaps(const Argument& other) const {
  if (!given_ || !other.given_ || rows_ == 0 || other.rows_ == 0) return false;
  const auto first = [](const Argument& argument) {
    const Index span = (argument.rows_ - 1) * argument.stride_bytes_;
    return address(argument.view_) + (span < 0 ? span : 0);
  };
  const auto extent = [](const Argument& argument) {
    const Index span = (argument.rows_ - 1) * argument.stride_bytes_;
    return static_cast<std::uintptr_t>((span < 0 ? -span : span) + argument.row_bytes_);
  };
  const std::uintptr_t start = first(*this);
  const std::uintptr_t other_start = first(other);
  if (start + extent(*this) <= other_start || other_start + extent(other) <= start) return false;

  // Columns of one matrix: rows of both lie in turn.
  const Index stride = stride_bytes_ < 0 ? -stride_bytes_ : stride_bytes_;
  const Index other_stride = other.stride_bytes_ < 0 ? -other.stride_bytes_ : other.stride_bytes_;
  if (rows_ > 1 && other.rows_ > 1 && stride == other_stride && stride > 0) {
    const bool is_first = start <= other_start;
    const Index offset =
        static_cast<Index>(is_first ? other_start - start : start - other_start) % stride;
    const Index width = is_first ? row_bytes_ : other.row_bytes_;
    const Index other_width = is_first ? other.row_bytes_ : row_bytes_;
    return offset < width || offset + other_width > stride;
  }
  return true;
}

void check_disjoint(std::initializer_list<const Argument*> outputs,
                    std::initializer_list<const Argument*> inputs) {
  const auto check = [](const Argument& output, const Argument& other) {
    if (output.overlaps(other)) {
      fail(PyExc_ValueError, "%s: %s shares memory with %s, expected an array of its own",
           output.function(), output.name(), other.name());
    }
  };
  for (const Argument* const* output = outputs.begin(); output != outputs.end(); ++output) {
    for (const Argument* input : inputs) check(**output, *input);
    for (const Argument* const* other = output + 1; other != outputs.end(); ++other)
      check(**output, **other);
  }
}

void check_count(const char* function, Py_ssize_t given, Py_ssize_t expected) {
  if (given == expected) return;
  fail(PyExc_TypeError, "%s takes %zd arguments by position, got %zd", function, expected, given);
}

Index take_index(const char* function, const char* name, PyObject* object, Index least) {
  const Index value = PyLong_AsSsize_t(object);
  if (value == -1 && PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    fail(PyExc_TypeError, "%s: %s must be an integer, got %R", function, name, object);
  }
  if (value < least)
    fail(PyExc_ValueError, "%s: %s is %zd, expected at least %zd", function, name, value, least);
  return value;
}

int take_threads(const char* function, PyObject* object) {
  return static_cast<int>(std::min<Index>(take_index(function, "threads", object, 1), INT_MAX));
}

bool has_format(PyObject* object, const Entry& entry) {
  Py_buffer view;
  if (PyObject_GetBuffer(object, &view, PyBUF_STRIDES | PyBUF_FORMAT) < 0) {
    PyErr_Clear();
    return false;
  }
  const bool found = matches(view.format, entry.format);
  PyBuffer_Release(&view);
  return found;
}

bool take_bool(PyObject* object) {
  const int value = PyObject_IsTrue(object);
  if (value < 0) throw PythonError();
  return value != 0;
}

}  // namespace structmat
