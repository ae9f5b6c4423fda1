// epic::sim::detail::run_scenario (epic/sim.hpp): a scenario over seeds, each in a forked process.
//
// What it is told by `epic simulate`, and reports, is in seed_report.hpp. Otherwise a few seeds run and the first
// failure is returned.
//
// A child sends each fault as it strikes, then its report. From one that dies, the parent makes a report of the faults.

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <list>
#include <stdexcept>

#include "cluster/sim/user_fabric.hpp"
#include "codec/described_json.hpp"
#include "files/private_files.hpp"

namespace epic::cluster::sim {

namespace {

using epic::sim::detail::Scenario;

constexpr std::int64_t kSeedsInTests = 10;
constexpr unsigned kSeedSecondsMax = 60;  // of a child's real time: a turn that never ends

/// Returns whether all of it was written.
bool write_line(int descriptor, std::string text) {
  text += '\n';
  for (std::string_view rest = text; !rest.empty();) {
    const ssize_t count = ::write(descriptor, rest.data(), rest.size());
    if (count <= 0) return false;
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

/// One seed in a process of its own.
class Child {
 public:
  Child(const Scenario& scenario, std::int64_t seed, const SimulateOrder& order) : seed_(seed) {
    int pipe[2];
    if (::pipe(pipe) != 0) throw std::runtime_error(fmt::format("no pipe: {}", std::strerror(errno)));
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error(fmt::format("no process: {}", std::strerror(errno)));
    if (pid_ == 0) {
      ::close(pipe[0]);
      run_here(scenario, seed, order, pipe[1], parent);
    }
    ::close(pipe[1]);
    pipe_ = pipe[0];
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    ::close(pipe_);
    if (!has_ended_) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }

  [[nodiscard]] int descriptor() const { return pipe_; }
  /// Reads what has arrived. Returns its report when it has ended.
  std::optional<SeedReport> read() {
    char bytes[65536];
    const ssize_t count = ::read(pipe_, bytes, sizeof bytes);
    if (count > 0) {
      text_.append(bytes, static_cast<std::size_t>(count));
      return std::nullopt;
    }
    int status = 0;
    ::waitpid(pid_, &status, 0);
    has_ended_ = true;
    return report_of(status);
  }

 private:
  [[noreturn]] static void run_here(const Scenario& scenario, std::int64_t seed, const SimulateOrder& order, int out,
                                    pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    for (const int signal : {SIGINT, SIGILL, SIGFPE, SIGSEGV, SIGTERM, SIGABRT}) ::signal(signal, SIG_DFL);
    ::alarm(kSeedSecondsMax);
    const SeedReport report =
        run_seed(scenario, {.seed = seed, .faults = order.faults, .on_fault = [out](const SeedFault& fault) {
                              if (!write_line(out, codec::describe_text(fault))) ::_exit(1);
                            }});
    ::_exit(write_line(out, codec::describe_text(report)) ? 0 : 1);
  }

  [[nodiscard]] SeedReport report_of(int status) const {
    SeedReport report{.seed = seed_};
    std::string_view rest = text_;
    while (!rest.empty()) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      if (auto whole = codec::read_described_text<SeedReport>(line); whole && !whole->digest.empty())
        return *std::move(whole);
      if (auto fault = codec::read_described_text<SeedFault>(line)) report.faults.push_back(*std::move(fault));
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
      report.failure = fmt::format("the process ran for more than {} s: a turn that never ends?", kSeedSecondsMax);
    else if (WIFSIGNALED(status))
      report.failure = fmt::format("the process was killed by SIG{} ({})", ::sigabbrev_np(WTERMSIG(status)),
                                   ::sigdescr_np(WTERMSIG(status)));
    else
      report.failure = fmt::format("the process ended with exit code {}", WEXITSTATUS(status));
    return report;
  }

  std::int64_t seed_;
  pid_t pid_ = -1;
  int pipe_ = -1;
  bool has_ended_ = false;
  std::string text_;
};

/// Runs the seeds in ascending order, `jobs` at a time. After a failure no other begins.
void run_apart(const Scenario& scenario, const SimulateOrder& order,
               const std::function<void(const SeedReport&)>& on_report) {
  std::list<Child> running;
  std::int64_t next = 0;
  bool must_stop = false;
  while (true) {
    while (!must_stop && next < order.seeds && std::ssize(running) < std::max<std::int64_t>(1, order.jobs))
      running.emplace_back(scenario, order.first + next++, order);
    if (running.empty()) return;
    std::vector<pollfd> polled;
    for (const Child& child : running) polled.push_back({.fd = child.descriptor(), .events = POLLIN, .revents = 0});
    if (::poll(polled.data(), polled.size(), -1) < 0) continue;
    auto child = running.begin();
    for (const pollfd& entry : polled) {
      const auto current = child++;
      if (entry.revents == 0) continue;
      const std::optional<SeedReport> report = current->read();
      if (!report) continue;
      running.erase(current);
      on_report(*report);
      must_stop = must_stop || report->has_failed();
    }
  }
}

std::string text_of(const Scenario& scenario, const SeedReport& report) {
  std::string text = fmt::format("{} (seed {})", report.failure, report.seed);
  if (!report.where.empty()) text += fmt::format("\n  at {}", report.where);
  for (const SeedFault& fault : report.faults)
    text +=
        fmt::format("\n  fault {} at {:.3f} s: {}", fault.number, static_cast<double>(fault.at_ms) / 1e3, fault.what);
  return text + fmt::format("\nmore with: epic simulate \"{}\" --seed {}", scenario.name, report.seed);
}

}  // namespace
}  // namespace epic::cluster::sim

namespace epic::sim::detail {

std::string run_scenario(const Scenario& scenario) {
  namespace simulated = cluster::sim;
  const char* const wanted = std::getenv("EPIC_SIMULATE");
  const char* const file = std::getenv("EPIC_SIMULATE_REPORT");
  simulated::SimulateOrder order{.seeds = simulated::kSeedsInTests,
                                 .jobs = std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN))};
  files::Descriptor reports;
  if (wanted != nullptr && file != nullptr) {
    auto read = codec::read_described_text<simulated::SimulateOrder>(wanted);
    if (!read) return fmt::format("EPIC_SIMULATE cannot be read: {}", read.error());
    order = *std::move(read);
    reports = files::Descriptor(::open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (reports.get() < 0) return fmt::format("{}: {}", file, std::strerror(errno));
  }
  std::string failure;
  const auto on_report = [&](const simulated::SeedReport& report) {
    if (reports.get() >= 0) {
      if (!simulated::write_line(reports.get(), codec::describe_text(report)))
        throw std::runtime_error(fmt::format("{}: {}", file, std::strerror(errno)));
    } else if (failure.empty() && report.has_failed()) {
      failure = simulated::text_of(scenario, report);
    }
  };
  if (order.in_process)
    on_report(simulated::run_seed(scenario, {.seed = order.first, .faults = order.faults, .on_fault = {}}));
  else
    simulated::run_apart(scenario, order, on_report);
  return failure;
}

}  // namespace epic::sim::detail
