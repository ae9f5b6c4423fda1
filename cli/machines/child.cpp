#include "cli/machines/child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <array>
#include <boost/process/v2/start_dir.hpp>
#include <boost/process/v2/stdio.hpp>
#include <utility>

#include "cli/project/project.hpp"
#include "files/private_files.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace bp = boost::process::v2;
namespace {

/// A file of the system.
class SystemFile {
 public:
  SystemFile(const fs::path& path, int flags)
      : descriptor_(path.empty() ? -1 : ::open(path.c_str(), flags | O_CLOEXEC)) {}
  SystemFile(const SystemFile&) = delete;
  SystemFile& operator=(const SystemFile&) = delete;
  ~SystemFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

bool write_file(const char* path, const std::string& text) {
  const SystemFile file(path, O_WRONLY);
  return file.descriptor() >= 0 && ::write(file.descriptor(), text.data(), text.size()) == std::ssize(text);
}

/// A user namespace in which this user has another number, one with a name.
struct OtherUser {
  std::string uid_map;
  std::string gid_map;

  static OtherUser make() {
    const passwd* const user = ::getpwnam("nobody");
    constexpr unsigned kOverflowUser = 65534;  // of files whose user has no number here
    return {fmt::format("{} {} 1", user ? user->pw_uid : kOverflowUser, ::geteuid()),
            fmt::format("{} {} 1", user ? user->pw_gid : kOverflowUser, ::getegid())};
  }
  [[nodiscard]] bool become() const {
    return ::unshare(CLONE_NEWUSER) == 0 && write_file("/proc/self/setgroups", "deny") &&
           write_file("/proc/self/uid_map", uid_map) && write_file("/proc/self/gid_map", gid_map);
  }
};

/// Runs in the child, between fork and exec.
struct Prepare {
  const ChildPlan& plan;
  int network;
  OtherUser user = OtherUser::make();

  bp::error_code on_exec_setup(bp::posix::default_launcher&, const bp::filesystem::path&, const char* const*) {
    const bool is_done = ::setsid() >= 0 && (network < 0 || ::setns(network, CLONE_NEWNET) == 0) &&
                         (!plan.hides_root || user.become()) &&
                         (plan.signal_at_end == 0 || ::prctl(PR_SET_PDEATHSIG, plan.signal_at_end) == 0);
    return is_done ? bp::error_code() : bp::error_code(errno, boost::system::system_category());
  }
};

}  // namespace

Result<bp::process> start_child(boost::asio::io_context& context, const ChildPlan& plan) {
  const auto refuse = [&](const std::string& why) {
    return fail({.what = fmt::format("cannot start {}", plan.command.front()), .why = why});
  };
  files::Descriptor log;
  if (!plan.log.empty()) {
    auto opened = files::open_file(plan.log, files::Use::replace);
    if (!opened) return fail(failure_of(opened.error()));
    log = *std::move(opened);
  }
  const SystemFile network(plan.network, O_RDONLY);
  if (!plan.network.empty() && network.descriptor() < 0)
    return refuse(fmt::format("{}: {}", plan.network.string(), std::generic_category().message(errno)));

  bp::error_code error;
  bp::posix::default_launcher launcher;
  // Boost 1.81 leaves out what is const.
  bp::process_stdio stdio{nullptr, plan.log.empty() ? STDOUT_FILENO : log.get(),
                          plan.log.empty() ? STDERR_FILENO : log.get()};
  const std::vector<std::string> arguments(plan.command.begin() + 1, plan.command.end());
  bp::process child =
      launcher(context.get_executor(), error, bp::filesystem::path(plan.command.front()), arguments, stdio,
               bp::process_start_dir(plan.directory.string()), Prepare{.plan = plan, .network = network.descriptor()});
  if (error) return refuse(error.message());
  return child;
}

}  // namespace epic::cli
