#include "cli/project/subprocess.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/process/v2/process.hpp>
#include <boost/process/v2/start_dir.hpp>
#include <boost/process/v2/stdio.hpp>
#include <cstdlib>

namespace epic::cli {
namespace fs = std::filesystem;
namespace asio = boost::asio;
namespace bp = boost::process::v2;
namespace {

// A file in memory, or a log to append to.
class Sink {
 public:
  explicit Sink(int descriptor) : descriptor_(descriptor) {}
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  ~Sink() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] std::string text() const {
    std::string text;
    char buffer[4096];
    ::lseek(descriptor_, 0, SEEK_SET);
    for (ssize_t got = 0; (got = ::read(descriptor_, buffer, sizeof buffer)) > 0;)
      text.append(buffer, static_cast<std::size_t>(got));
    return text;
  }

 private:
  int descriptor_;
};

// Runs in the child, between fork and exec.
struct DieWithParent {
  bp::error_code on_exec_setup(bp::posix::default_launcher&, const bp::filesystem::path&, const char* const*) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    return {};
  }
};

}  // namespace

std::string cause_of(const SubprocessEnd& end, const fs::path& program) {
  std::string_view cause = end.err;
  const std::string prefix = program.filename().string() + ": ";
  if (cause.starts_with(prefix)) cause.remove_prefix(prefix.size());
  while (cause.ends_with('\n') || cause.ends_with('.')) cause.remove_suffix(1);
  return cause.empty() ? fmt::format("{} ended with exit code {}", program.string(), end.exit_code)
                       : std::string(cause);
}

fs::path find_program(std::string_view name) {
  std::error_code ignored;
  const char* variable = std::getenv("PATH");
  std::string_view path = variable ? variable : "/usr/bin:/bin";
  while (!path.empty()) {
    const std::size_t end = path.find(':');
    const fs::path candidate = fs::path(path.substr(0, end)) / name;
    if (fs::is_regular_file(candidate, ignored) && ::access(candidate.c_str(), X_OK) == 0) return candidate;
    path = end == std::string_view::npos ? std::string_view() : path.substr(end + 1);
  }
  return {};
}

Result<SubprocessEnd> run_subprocess(const SubprocessOptions& options) {
  const fs::path program = options.program.has_parent_path() ? options.program : find_program(options.program.string());
  if (program.empty())
    return fail({.what = fmt::format("{} is not installed", options.program.string()),
                 .why = "no directory of PATH has it",
                 .help = {"see what else is missing with 'epic doctor'"}});

  const bool captures = options.log.empty();
  const Sink out(captures ? ::memfd_create("stdout", MFD_CLOEXEC)
                          : ::open(options.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (out.descriptor() < 0)
    return fail(
        {.what = fmt::format("cannot write {}", options.log.string()), .why = std::generic_category().message(errno)});
  const Sink err(captures ? ::memfd_create("stderr", MFD_CLOEXEC) : ::dup(out.descriptor()));

  asio::io_context context;
  bp::error_code error;
  bp::posix::default_launcher launcher;
  bp::process_stdio stdio{nullptr, out.descriptor(), err.descriptor()};
  bp::process process =
      launcher(context.get_executor(), error, bp::filesystem::path(program.string()), options.arguments, stdio,
               bp::process_start_dir(options.directory.string()), DieWithParent{});
  if (error) return fail({.what = fmt::format("cannot start {}", program.string()), .why = error.message()});

  int status = 0;
  bool is_ended = false;  // a tick that was already due is no longer cancelled
  asio::steady_timer tick(context);
  const std::function<void()> arm = [&] {
    tick.expires_after(std::chrono::milliseconds(100));
    tick.async_wait([&](const boost::system::error_code& cancelled) {
      if (cancelled || is_ended) return;
      options.on_tick();
      arm();
    });
  };
  if (options.on_tick) arm();
  process.async_wait([&](const bp::error_code&, int exit_status) {
    status = exit_status;
    is_ended = true;
    tick.cancel();
  });
  context.run();

  SubprocessEnd end;
  end.exit_code = WIFSIGNALED(process.native_exit_code()) ? 128 + WTERMSIG(process.native_exit_code()) : status;
  if (captures) {
    end.out = out.text();
    end.err = err.text();
  }
  return end;
}

}  // namespace epic::cli
