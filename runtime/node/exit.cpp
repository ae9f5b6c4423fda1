// exit() for modules, which find this before the system's. An entity's code that calls it ends its node at once, with
// its name noted: the system's exit() would destroy what the node's other threads use.

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>

#include "node/crash_handler.hpp"

extern "C" void exit(int code) noexcept {
  if (epic::node::note_exit()) ::_exit(code);
  reinterpret_cast<void (*)(int)>(::dlsym(RTLD_NEXT, "exit"))(code);
  std::abort();  // it does not return
}
