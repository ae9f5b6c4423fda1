#include "kernel/assert.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace epic::kernel {

namespace {
std::atomic<AssertContextFn> g_context{nullptr};
}

void set_assert_context(AssertContextFn context) { g_context.store(context); }

void fail_assert(const char* condition, const char* file, int line, std::string_view message) {
  const AssertContextFn context = g_context.load();
  const std::string doing = context == nullptr ? std::string() : context();
  std::fprintf(stderr, "epic: bug: %.*s\n  %s:%d: %s\n", static_cast<int>(message.size()), message.data(), file, line,
               condition);
  if (!doing.empty()) std::fprintf(stderr, "  while running %s\n", doing.c_str());
  std::fputs("  Please report this with the lines above.\n", stderr);
  std::abort();
}

}  // namespace epic::kernel
