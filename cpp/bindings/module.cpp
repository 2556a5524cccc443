// The extension module, put together from its topic files.
#include "bindings.h"
#include "gil.h"

PYBIND11_MODULE(_core, module) {
  module.doc() = "The compute core of latentknn.";
  module.attr("__version__") = LATENTKNN_VERSION;
  latentknn::bindings::remember_main_thread();
  latentknn::bindings::register_machine(module);
  latentknn::bindings::register_database(module);
  latentknn::bindings::register_merge(module);
}
