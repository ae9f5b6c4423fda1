// epic-node: a worker process of a fabric. Supervisors start it; people and the CLI use --describe, --check and
// --version.

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "codec/described_json.hpp"
#include "epic/version.hpp"
#include "kernel/type_table.hpp"
#include "node/check.hpp"
#include "node/describe.hpp"
#include "node/import_offline.hpp"
#include "node/module_loader.hpp"
#include "node/node.hpp"
#include "protocol/json.hpp"
#include "storage/open_store.hpp"

namespace {

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

int describe(const char* path) {
  const auto module = epic::node::load_module(path);
  if (!module) {
    fmt::print(stderr, "epic-node: {}. {}\n", module.error().message, module.error().hint);
    return kExitFailed;
  }
  epic::kernel::TypeTable types;
  if (const auto added = types.add(**module); !added) {
    fmt::print(stderr, "epic-node: {}\n", added.error());
    return kExitFailed;
  }
  boost::json::object described = epic::codec::describe_json(epic::node::describe_module(**module)).as_object();
  described["abi"] = (*module)->abi_tag;
  fmt::print("{}\n", epic::protocol::print_json(described));
  return 0;
}

int check(const char* path, const char* store_address) {
  const auto module = epic::node::load_module(path);
  if (!module) {
    fmt::print(stderr, "epic-node: {}. {}\n", module.error().message, module.error().hint);
    return kExitFailed;
  }
  auto store = epic::storage::open_store(
      {.address = epic::storage::StoreAddress::parse(store_address), .mode = epic::storage::OpenMode::read_only});
  if (!store) {
    fmt::print(stderr, "epic-node: {}\n", store.error().message);
    return kExitFailed;
  }
  const auto answer = epic::node::check_store(**module, **store);
  if (!answer) {
    fmt::print(stderr, "epic-node: {}\n", answer.error());
    return kExitFailed;
  }
  fmt::print("{}\n", epic::codec::describe_text(*answer));
  return 0;
}

int work() {
  if (::fcntl(epic::protocol::kSupervisionFd, F_GETFD) < 0) {
    fmt::print(stderr,
               "epic-node is started by a supervisor: run 'epic run'.\n"
               "Manually: epic-node --describe MODULE.so, epic-node --check MODULE.so STORE, epic-node --version\n");
    return kExitUsage;
  }
  for (const int fd : {epic::protocol::kSupervisionFd, epic::protocol::kLogFd}) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  // Dies with the supervisor. If that ended before this line, the channel is closed, which is noticed as well.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // a file at its size limit is an error of the store, reported in words
  ::signal(SIGINT, SIG_IGN);   // the supervisor stops its nodes in order
  epic::storage::stop_counting_memory();
  epic::node::Node node(epic::protocol::kSupervisionFd, epic::protocol::kLogFd);
  return node.run();
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view verb = argc > 1 ? argv[1] : "";
  if (verb == "--version") {
    fmt::print("epic-node {} ({})\n", EPIC_VERSION_TEXT, EPIC_ABI_TAG);
    return 0;
  }
  if (verb == "--describe") {
    if (argc == 3) return describe(argv[2]);
    fmt::print(stderr, "epic-node: --describe needs one module: epic-node --describe MODULE.so\n");
    return kExitUsage;
  }
  if (verb == "--check") {
    if (argc == 4) return check(argv[2], argv[3]);
    fmt::print(stderr, "epic-node: --check needs a module and a store: epic-node --check MODULE.so STORE\n");
    return kExitUsage;
  }
  if (verb == "--import" && argc == 5) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // otherwise the project's lock would outlive its holder
    return epic::node::import_offline(argv[2], epic::storage::StoreAddress::parse(argv[3]),
                                      static_cast<std::uint16_t>(std::strtoul(argv[4], nullptr, 10)));
  }
  return work();  // the rest is for people who read the list of processes
}
