// The functions by which the topic files register their part of the module.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

namespace latentknn {
class Database;
}

namespace latentknn::bindings {

void register_database(pybind11::module_& module);
void register_range(pybind11::module_& module, pybind11::class_<Database>& database);
void register_machine(pybind11::module_& module);
void register_merge(pybind11::module_& module);

}  // namespace latentknn::bindings
