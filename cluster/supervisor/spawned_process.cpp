#include "cluster/supervisor/spawned_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/write.hpp>
#include <boost/process/v2/process.hpp>
#include <boost/process/v2/stdio.hpp>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "cluster/supervisor/crash_memory.hpp"
#include "cluster/supervisor/line_splitter.hpp"
#include "codec/message_frames.hpp"

namespace epic::cluster {

namespace asio = boost::asio;
namespace process = boost::process::v2;
using boost::system::error_code;

namespace {

/// A descriptor that closes itself.
class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&&) = delete;
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// Keeps a number that the child will use occupied while it is spawned. Otherwise the launcher's own pipe may get it
/// and be overwritten in the child; or one of our ends gets it, and stays close-on-exec.
class ReservedFd {
 public:
  explicit ReservedFd(int wanted) : wanted_(wanted) {
    if (::fcntl(wanted, F_GETFD) >= 0) return;
    const int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd == wanted) {
      is_ours_ = true;
    } else if (fd >= 0) {
      is_ours_ = ::dup3(fd, wanted, O_CLOEXEC) >= 0;
      ::close(fd);
    }
  }
  ReservedFd(const ReservedFd&) = delete;
  ReservedFd& operator=(const ReservedFd&) = delete;
  ~ReservedFd() {
    if (is_ours_) ::close(wanted_);
  }

 private:
  int wanted_;
  bool is_ours_ = false;
};

/// Ours, and huge pages for the allocator: an entity is a few small objects, and with pages of 4 KiB a third of the
/// time that a million of them take to make is page faults. A value of the user's own is kept.
std::vector<const char*> make_environment() {
  static constexpr std::string_view kName = "GLIBC_TUNABLES=";
  std::vector<const char*> variables{"GLIBC_TUNABLES=glibc.malloc.hugetlb=1"};
  for (char** variable = ::environ; *variable != nullptr; ++variable)
    if (std::string_view(*variable).starts_with(kName))
      variables.front() = *variable;
    else
      variables.push_back(*variable);
  variables.push_back(nullptr);
  return variables;
}

/// Runs in the child between fork and exec: async-signal-safe calls only. It binds the channel itself, because bind_fd
/// of Boost 1.81 has an on_setup() that returns nothing where it should return an error code.
struct ChildSetup {
  pid_t supervisor;
  int channel;
  int log;
  const char* directory;
  const char* const* environment;

  error_code on_setup(process::posix::default_launcher& launcher, const process::filesystem::path&,
                      const char* const*) const {
    launcher.fd_whitelist.push_back(protocol::kSupervisionFd);
    launcher.fd_whitelist.push_back(protocol::kLogFd);
    launcher.env = environment;
    return {};
  }

  error_code on_exec_setup(process::posix::default_launcher&, const process::filesystem::path&,
                           const char* const*) const {
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != supervisor) ::_exit(1);  // it died before the line above
    ::signal(SIGPIPE, SIG_DFL);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    if (::dup2(channel, protocol::kSupervisionFd) < 0 || ::dup2(log, protocol::kLogFd) < 0 || ::chdir(directory) != 0)
      return {errno, boost::system::system_category()};
    return {};
  }
};

SupervisorError spawn_error(const std::filesystem::path& program, int error) {
  const bool is_missing = error == ENOENT || error == EACCES;
  return {.message = fmt::format("Cannot start {}: {}.", program.string(), std::strerror(error)),
          .hint = is_missing ? "The installation of epic is incomplete; reinstall it, or run 'epic doctor'."
                             : "Check the limits of this user with 'ulimit -a'.",
          .log = {}};
}

}  // namespace

struct SpawnedProcess::State : std::enable_shared_from_this<State> {
  State(asio::io_context& context, Events on_events)
      : channel(context),
        output(context,
               [this](std::string_view line) {
                 if (!is_ended) events.on_output(line);
               }),
        log(context,
            [this](std::string_view line) {
              if (!is_ended) events.on_log(line);
            }),
        child(context.get_executor()),
        end_watch(context),
        events(std::move(on_events)) {}

  void read_channel() {
    const auto room = buffer.prepare();
    channel.async_read_some(asio::buffer(room.data(), room.size()),
                            [self = shared_from_this()](error_code error, std::size_t bytes) {
                              if (self->is_ended) return;
                              if (error) return self->events.on_cut_off();
                              self->buffer.commit(bytes);
                              if (self->handle_messages()) self->read_channel();
                            });
  }

  /// False if there is nothing more to read.
  bool handle_messages() {
    const auto self = shared_from_this();  // an event may release the process
    while (!is_ended) {
      const auto payload = buffer.next();
      if (payload && !payload->has_value()) return true;
      const auto message = payload
                               ? reader.read(**payload)
                               : std::expected<protocol::FromNode, protocol::WireError>(std::unexpect, payload.error());
      if (!message) {
        events.on_garbage(message.error().what);
        return false;
      }
      events.on_message(*message);
    }
    return false;
  }

  /// A pipe of lines that the process writes.
  struct Pipe {
    Pipe(asio::io_context& context, std::function<void(std::string_view)> on_line)
        : end(context), lines(std::move(on_line)) {}
    asio::posix::stream_descriptor end;
    std::array<char, 16 * 1024> bytes;
    LineSplitter lines;
  };

  void read(Pipe& pipe) {
    pipe.end.async_read_some(asio::buffer(pipe.bytes),
                             [this, self = shared_from_this(), &pipe](error_code error, std::size_t bytes) {
                               if (error || is_ended) return;
                               pipe.lines.add({pipe.bytes.data(), bytes});
                               if (!is_ended) read(pipe);
                             });
  }

  /// Not child.async_wait(), which takes readiness for the end and then blocks in waitpid(): Asio may report the
  /// readiness of a closed descriptor whose slot the new one has taken over.
  void wait() {
    end_watch.async_wait(asio::posix::stream_descriptor::wait_read, [self = shared_from_this()](error_code error) {
      if (error || self->is_ended) return;
      siginfo_t info{};
      const int looked = ::waitid(P_PID, static_cast<id_t>(self->pid), &info, WEXITED | WNOHANG | WNOWAIT);
      if (looked == 0 && info.si_pid == 0) return self->wait();
      error_code ignored;
      self->child.wait(ignored);
      self->finish();
    });
  }

  /// The process is dead: reads what it has left behind, then reports the end.
  void finish() {
    const auto self = shared_from_this();
    ::kill(-pid, SIGKILL);  // children of its own left in its group
    drain_channel();
    drain(log);
    drain(output);
    if (is_ended) return;  // an event has released the process
    is_ended = true;
    const int status = child.native_exit_code();
    error_code ignored;
    channel.close(ignored);
    output.end.close(ignored);
    log.end.close(ignored);
    end_watch.close(ignored);
    const ProcessEnd end = WIFSIGNALED(status) ? ProcessEnd{.exit_code = 0, .signal = WTERMSIG(status)}
                                               : ProcessEnd{.exit_code = WEXITSTATUS(status), .signal = 0};
    events.on_end(end);
  }

  void drain_channel() {
    while (!is_ended) {
      const auto room = buffer.prepare();
      const ssize_t bytes = ::recv(channel.native_handle(), room.data(), room.size(), MSG_DONTWAIT);
      if (bytes <= 0) return;
      buffer.commit(static_cast<std::size_t>(bytes));
      if (!handle_messages()) return;
    }
  }

  void drain(Pipe& pipe) {
    while (!is_ended) {
      const ssize_t bytes = ::read(pipe.end.native_handle(), pipe.bytes.data(), pipe.bytes.size());
      if (bytes <= 0) break;
      pipe.lines.add({pipe.bytes.data(), static_cast<std::size_t>(bytes)});
    }
    pipe.lines.end();
  }

  /// Sends what was added to `unsent`. False if that is too much.
  bool try_write() {
    if (unsent.size() + sending.size() > kUnsentBytesMax) return false;
    if (sending.empty()) write();
    return true;
  }
  void write() {
    std::swap(sending, unsent);
    asio::async_write(channel, asio::buffer(sending), [self = shared_from_this()](error_code error, std::size_t) {
      self->sending.clear();
      if (!error && !self->is_ended && !self->unsent.empty()) self->write();
    });
  }

  asio::local::stream_protocol::socket channel;
  Pipe output;  // what its code prints
  Pipe log;
  process::basic_process<asio::io_context::executor_type> child;
  asio::posix::stream_descriptor end_watch;  // a pidfd: readable when the process is dead
  pid_t pid = -1;
  Events events;
  std::expected<CrashMemory, std::string> crash_memory = CrashMemory::make();
  bool is_ended = false;
  protocol::FrameBuffer buffer{protocol::kSupervisionFrameBytesMax};
  std::vector<std::byte> sending;  // Invariant: non-empty exactly while a write is in progress
  codec::FrameReader<protocol::FromNode> reader;
  codec::FrameWriter<protocol::ToNode> writer;
  std::vector<std::byte> unsent;
};

std::expected<std::unique_ptr<NodeProcess>, SupervisorError> SpawnedProcess::spawn(asio::io_context& context,
                                                                                   const Program& program,
                                                                                   Events events) {
  if (::access(program.path.c_str(), X_OK) != 0) return std::unexpected(spawn_error(program.path, errno));
  const ReservedFd reserved(protocol::kSupervisionFd);
  const ReservedFd reserved_too(protocol::kLogFd);
  int sockets[2];
  int pipe[2];
  int log_pipe[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
    return std::unexpected(spawn_error(program.path, errno));
  Fd our_end{sockets[0]};
  const Fd node_end{sockets[1]};
  if (::pipe2(pipe, O_CLOEXEC) != 0) return std::unexpected(spawn_error(program.path, errno));
  Fd output_end{pipe[0]};
  const Fd input_end{pipe[1]};
  if (::pipe2(log_pipe, O_CLOEXEC) != 0) return std::unexpected(spawn_error(program.path, errno));
  Fd log_output_end{log_pipe[0]};
  const Fd log_input_end{log_pipe[1]};
  const Fd nothing{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  if (nothing.get() < 0) return std::unexpected(spawn_error(program.path, errno));

  auto state = std::make_shared<State>(context, std::move(events));
  error_code error;
  const std::string directory = program.directory.string();
  const std::vector<const char*> environment = make_environment();
  process::posix::default_launcher launcher;
  state->child =
      launcher(context.get_executor(), error, process::filesystem::path(program.path.string()), program.arguments,
               process::process_stdio{.in = nothing.get(), .out = input_end.get(), .err = input_end.get()},
               ChildSetup{::getpid(), node_end.get(), log_input_end.get(), directory.c_str(), environment.data()});
  if (error) return std::unexpected(spawn_error(program.path, error.value()));

  state->pid = state->child.id();
  const int end_watch = static_cast<int>(::syscall(SYS_pidfd_open, state->pid, 0));
  if (end_watch < 0) return std::unexpected(spawn_error(program.path, errno));
  state->end_watch.assign(end_watch);
  ::setpgid(state->pid, state->pid);  // also in the parent, so that it holds whichever comes first
  state->channel.assign(asio::local::stream_protocol(), our_end.release());
  state->output.end.assign(output_end.release());
  state->output.end.native_non_blocking(true);
  state->log.end.assign(log_output_end.release());
  state->log.end.native_non_blocking(true);
  state->read_channel();
  state->read(state->output);
  state->read(state->log);
  state->wait();
  return std::unique_ptr<NodeProcess>(new SpawnedProcess(std::move(state)));
}

SpawnedProcess::~SpawnedProcess() {
  if (state_->is_ended) return;
  state_->is_ended = true;
  ::kill(-state_->pid, SIGKILL);
  error_code ignored;
  state_->child.terminate(ignored);
  state_->child.wait(ignored);
  state_->channel.close(ignored);
  state_->output.end.close(ignored);
  state_->log.end.close(ignored);
  state_->end_watch.close(ignored);
}

pid_t SpawnedProcess::pid() const { return state_->pid; }

bool SpawnedProcess::try_send(const protocol::ToNode& message) {
  if (state_->is_ended) return true;  // it ends, and on_end reports it
  state_->writer.append(message, state_->unsent);
  return state_->try_write();
}

bool SpawnedProcess::try_share(const SharedMessage& message) {
  if (state_->is_ended) return true;
  const std::span<const std::byte> frame = message.frame();
  state_->unsent.insert(state_->unsent.end(), frame.begin(), frame.end());
  return state_->try_write();
}

bool SpawnedProcess::try_signal(int number) { return !state_->is_ended && ::kill(state_->pid, number) == 0; }

void SpawnedProcess::kill() {
  error_code ignored;
  if (!state_->is_ended) state_->child.terminate(ignored);
}

std::expected<std::string, std::string> SpawnedProcess::crash_memory() const {
  if (!state_->crash_memory) return std::unexpected(state_->crash_memory.error());
  return state_->crash_memory->path();
}

std::uint64_t SpawnedProcess::count_lost_lines() const {
  return state_->crash_memory ? state_->crash_memory->count_lost_lines() : 0;
}

std::optional<Crash> SpawnedProcess::read_crash() const {
  return state_->crash_memory ? state_->crash_memory->read() : std::nullopt;
}

}  // namespace epic::cluster
