// The type `Plan` of the module.
#pragma once

#include "python.hpp"

namespace structmat {

PyObject* make_plan_type(PyObject* module);

}  // namespace structmat
