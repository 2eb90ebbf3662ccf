// Python.h, restricted to the stable ABI where the interpreter has one, so that one file serves all
// versions from 3.11.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <pyconfig.h>
#if !defined(Py_GIL_DISABLED) && !defined(Py_LIMITED_API)
#define Py_LIMITED_API 0x030b0000
#endif
#include <Python.h>
