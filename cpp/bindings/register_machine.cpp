// Binds the instruction sets of this machine, and the counts of searches by instruction set.
#include <pybind11/stl.h>

#include "bindings.h"
#include "choice/strategy.h"
#include "database.h"
#include "isa.h"
#include "platform/processors.h"

namespace py = pybind11;

namespace latentknn::bindings {

void register_machine(py::module_& module) {
  module.def("available_isas", &available_isas, "Instruction sets of this processor with kernels, slowest first.");
  module.def("refused_isas", &refused_isas,
             "Instruction sets that this processor has and this process may not use, with the reason.");
  module.def("strategy_names", &strategy_names, "Names of the screening strategies.");
  module.def("usable_processors", &usable_processors,
             "Processors that this process may use, by its affinity and its cgroup's quota.");
  module.def(
      "searches_by_isa",
      [] {
        py::dict counts;
        for (const auto& [name, count] : searches_by_isa()) counts[py::str(name)] = count;
        return counts;
      },
      "Searches of this process so far, by instruction set.");
}

}  // namespace latentknn::bindings
