// Runs of the cluster scenario in processes of their own.

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/describe/class.hpp>
#include <stdexcept>
#include <string_view>

#include "codec/described_json.hpp"
#include "sim/cluster_scenario.hpp"

namespace epic::test {

BOOST_DESCRIBE_STRUCT(ClusterResult, (),
                      (violations, faults, log, digest, events, calls, acknowledged, unknown, simulated_ms))

namespace {

void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(descriptor, text.data(), text.size());
    if (count <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

std::string read_all(int descriptor) {
  std::string text;
  char bytes[65536];
  for (ssize_t count = 0; (count = ::read(descriptor, bytes, sizeof bytes)) > 0;)
    text.append(bytes, static_cast<std::size_t>(count));
  return text;
}

}  // namespace

ClusterResult run_cluster_apart(const ClusterRun& run) {
  int pipe[2];
  if (::pipe(pipe) != 0) throw std::runtime_error("no pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(pipe[0]);
    write_all(pipe[1], codec::describe_text(run_cluster(run)));
    ::_exit(0);
  }
  ::close(pipe[1]);
  const std::string text = read_all(pipe[0]);
  ::close(pipe[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (status != 0 || text.empty()) {
    ClusterResult result;
    result.violations = {WIFSIGNALED(status) ? fmt::format("the run was killed by signal {}", WTERMSIG(status))
                                             : fmt::format("the run exited with {}", WEXITSTATUS(status))};
    return result;
  }
  auto read = codec::read_described_text<ClusterResult>(text);
  if (!read) throw std::logic_error("the result of a run cannot be read: " + read.error());
  return *std::move(read);
}

}  // namespace epic::test
