// Arguments of the module's functions: buffers of Python objects, checked before a kernel sees
// them.
#pragma once

#include "python.hpp"

#include <initializer_list>

#include "kernels.hpp"

namespace structmat {

// A Python exception is set; `guarded` returns null to the interpreter.
struct PythonError {};

template <class... Values>
[[noreturn]] void fail(PyObject* type, const char* format, Values... values) {
  PyErr_Format(type, format, values...);
  throw PythonError();
}

// Calls a function that may throw, and translates exceptions of C++.
template <class Function>
PyObject* guarded(const Function& function) {
  try {
    return function();
  } catch (const PythonError&) {
    return nullptr;
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
    return nullptr;
  }
}

// Below so many entries, releasing the GIL takes longer than what other threads would gain.
constexpr Index entries_worth_the_gil = 4096;

// Takes the GIL; never returns once the interpreter shuts down.
void take_gil(PyThreadState* state) noexcept;

// Runs other Python threads meanwhile, unless the work is shorter than the switch.
class WithoutGil {
 public:
  explicit WithoutGil(Index entries)
      : state_(entries >= entries_worth_the_gil ? PyEval_SaveThread() : nullptr) {}
  ~WithoutGil() {
    if (state_ != nullptr) take_gil(state_);
  }
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

 private:
  PyThreadState* state_;
};

// The type of an array's entries.
struct Entry {
  char code;           // NumPy's: 'f', 'd', 'F' or 'D'
  const char* name;    // NumPy's: "float32", ...
  const char* format;  // the buffer protocol's: "f", "d", "Zf" or "Zd"
  Index scalar_size;   // bytes
  Index scalars;       // of an entry: 2 if it is complex
};

const Entry* find_entry(int code);  // null: unknown

enum class Access { read, write };

// An array that a function was given, held until the end of the call. It is empty if None was
// given.
class Argument {
 public:
  Argument(const char* function, const char* name) : function_(function), name_(name) {}
  ~Argument() {
    if (given_) PyBuffer_Release(&view_);
  }
  Argument(const Argument&) = delete;
  Argument& operator=(const Argument&) = delete;

  // Rows with contiguous entries, or one row. The rows of an output must not overlap one another.
  void take_rows(PyObject* object, const Entry& entry, Access access);
  // A contiguous vector.
  void take_vector(PyObject* object, const Entry& entry, Access access);

  void require() const;  // not None
  void check_width(Index largest) const;
  void check_width_is_that_of(const Argument& other) const;  // if both are given
  void check_size(Index size) const;
  void check_size_at_least(Index size) const;
  void check_rows_are_those_of(const Argument& other) const;

  bool given() const { return given_; }
  Index rows() const { return rows_; }
  Index width() const { return width_; }
  bool is(const Argument& other) const;  // the same entries of the same memory
  bool overlaps(const Argument& other) const;
  const char* function() const { return function_; }
  const char* name() const { return name_; }

  template <class Scalar>
  Scalar* data() const {
    return given_ ? static_cast<Scalar*>(view_.buf) : nullptr;
  }
  template <class Scalar>
  Rows<Scalar> as_rows() const {
    return {data<Scalar>(), width_, stride_};
  }

 private:
  void take(PyObject* object, const Entry& entry, Access access, int dimensions);

  const char* function_;
  const char* name_;
  Py_buffer view_ = {};
  bool given_ = false;
  Index rows_ = 0;
  Index width_ = 0;   // entries
  Index stride_ = 0;  // scalars
  Index row_bytes_ = 0;
  Index stride_bytes_ = 0;
};

// Refuses outputs that share memory with an input or with one another.
void check_disjoint(std::initializer_list<const Argument*> outputs,
                    std::initializer_list<const Argument*> inputs);

void check_count(const char* function, Py_ssize_t given, Py_ssize_t expected);
Index take_index(const char* function, const char* name, PyObject* object, Index least);
int take_threads(const char* function, PyObject* object);
bool has_format(PyObject* object, const Entry& entry);  // of a buffer; false for other objects
bool take_bool(PyObject* object);

}  // namespace structmat
