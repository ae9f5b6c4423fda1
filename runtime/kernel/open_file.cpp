#include "kernel/open_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "epic/error.hpp"
#include "kernel/errors.hpp"
#include "kernel/limits.hpp"

namespace epic::detail {

using kernel::here;
using kernel::Kernel;
namespace limits = kernel::limits;

namespace {

/// There was nothing behind it when it was read.
bool is_last(const FileWork& read) {
  return read.has_ended && (!read.outcome.value || read.outcome.value->content.size() < read.bytes);
}

}  // namespace

OpenFile::OpenFile(std::string path, FileMode mode)
    : path_(std::move(path)),
      mode_(mode),
      entity_(here("epic::open").running().entity),
      ahead_bytes_(limits::kFileBytesAheadMin) {
  kernel::OpenFiles& files = here("epic::open").blocking().open_files();
  if (files.count >= limits::kFilesOpenMax)
    throw epic::Overloaded(
        fmt::format("epic: the file {} was not opened: {} files are open on this node already, and no more may be; "
                    "close those that are no longer needed",
                    path_, files.count));
  ++files.count;
}

OpenFile::~OpenFile() {
  Kernel* const kernel = Kernel::current_kernel();
  if (kernel == nullptr) return;  // the process ends
  forget_ahead();
  if (failure_)
    kernel->log(kernel::LogLevel::warn,
                fmt::format("the file {}, which {} has written to, does not have all of that: {}", path_,
                            entity_.empty() ? "setup" : kernel->types().shown(entity_),
                            kernel::describe_thrown(failure_).message));
  if (handle_ == nullptr) {
    if (!is_closed_) --kernel->blocking().open_files().count;
    return;
  }
  auto work = std::make_shared<FileWork>(FileAction::close, path_);
  work->entity = entity_;
  work->handle = std::move(handle_);
  kernel->blocking().close(std::move(work));
}

void OpenFile::check() {
  throw_failure();
  check_open();
}

void OpenFile::check_open() const {
  if (handle_ == nullptr) throw std::logic_error(fmt::format("epic: the file {} is closed", path_));
}

void OpenFile::throw_failure() {
  if (failure_) std::rethrow_exception(std::exchange(failure_, {}));
}

std::shared_ptr<FileWork> OpenFile::make(FileAction action) {
  auto work = std::make_shared<FileWork>(action, path_);
  work->entity = entity_;
  work->owner = shared_from_this();
  work->generation = generation_;
  work->handle = handle_;
  forming_.reset();  // nothing is added to what stands before it
  return work;
}

std::shared_ptr<FileWork> OpenFile::make_own(FileAction action, std::uint64_t offset, std::size_t bytes_max,
                                             std::string content) {
  check_open();
  auto work = make(action);
  work->is_own = true;
  work->offset = offset;
  work->bytes = bytes_max;
  work->content.reserve(bytes_max);
  if (action == FileAction::write_part || action == FileAction::append_part) {
    forget_ahead();
    reads_in_row_ = 0;
    work->parts.push_back(std::move(content));
  }
  return work;
}

std::shared_ptr<FileWork> OpenFile::submit(FileAction action) {
  auto work = make(action);
  here("epic::File").blocking().submit(work);
  return work;
}

// ---- reading ----

OpenFile::Place OpenFile::begin_read() {
  ++reads_in_row_;
  return {.offset = position_, .read = ++reads_count_};
}

bool OpenFile::has_part(std::size_t bytes_max) {
  if (ahead_.empty()) ask(position_, bytes_max);
  if (reads_in_row_ > 1) ask_ahead(bytes_max);
  return ahead_.front().work->has_ended;
}

void OpenFile::ask(std::uint64_t offset, std::size_t bytes) {
  const auto work = make(FileAction::read_part);
  work->offset = offset;
  work->bytes = bytes;
  work->content.reserve(bytes);
  ahead_.push_back({.work = work, .read = reads_count_});
  kernel::Blocking& blocking = here("epic::File").blocking();
  blocking.open_files().bytes_buffered += bytes;
  blocking.submit(work);
}

void OpenFile::ask_ahead(std::size_t bytes_wanted) {
  if (bytes_wanted > limits::kFileBytesAheadMax) return;
  while (ahead_.size() < limits::kFileRequestsAhead && !is_last(*ahead_.back().work)) {
    const std::size_t bytes = std::max(ahead_bytes_, bytes_wanted);
    if (here("epic::File").blocking().open_files().bytes_buffered + bytes > limits::kFilesBytesBuffered) return;
    ask(ahead_.back().work->offset + ahead_.back().work->bytes, bytes);
    ahead_bytes_ = std::min(2 * ahead_bytes_, limits::kFileBytesAhead);
  }
}

OpenFile::Taken OpenFile::take(std::string& into, std::size_t bytes_max, std::optional<char> delimiter,
                               const Place& begun) {
  FileWork& part = *ahead_.front().work;
  if (part.outcome.exception) {
    const std::exception_ptr failure = part.outcome.exception;
    forget_ahead();
    std::rethrow_exception(failure);
  }
  const bool was_last = is_last(part);
  std::string& content = part.outcome.value->content;
  const std::size_t left = content.size() - taken_bytes_;
  std::size_t count = std::min(left, bytes_max);
  Taken taken;
  if (delimiter && count > 0) {
    const char* const begin = content.data() + taken_bytes_;
    if (const void* const found = std::memchr(begin, *delimiter, count); found != nullptr) {
      count = static_cast<std::size_t>(static_cast<const char*>(found) - begin) + 1;
      taken.has_delimiter = true;
    }
  }
  const bool is_used_up = count == left;
  if (is_used_up && taken_bytes_ == 0 && into.empty())
    into = std::move(content);
  else
    into.append(content, taken_bytes_, count);
  position_ += count;
  taken_bytes_ += count;
  if (!is_used_up) return taken;
  taken.is_end = was_last && count < bytes_max && !taken.has_delimiter && ahead_.front().read == begun.read;
  if (taken.is_end) reads_in_row_ = 0;
  if (was_last)
    forget_ahead();  // what may be there by now does not follow it
  else
    forget_first();
  return taken;
}

void OpenFile::go_back(const Place& begun) {
  reads_in_row_ = 0;
  if (position_ == begun.offset) return;
  position_ = begun.offset;
  forget_ahead();
}

void OpenFile::forget_first() {
  here("epic::File").blocking().open_files().bytes_buffered -= ahead_.front().work->bytes;
  ahead_.pop_front();
  taken_bytes_ = 0;
}

void OpenFile::forget_ahead() {
  taken_bytes_ = 0;
  ahead_bytes_ = limits::kFileBytesAheadMin;
  if (ahead_.empty()) return;
  kernel::Blocking& blocking = here("epic::File").blocking();
  for (const Ahead& one : std::exchange(ahead_, {})) {
    blocking.open_files().bytes_buffered -= one.work->bytes;
    blocking.drop(one.work);
  }
}

// ---- writing ----

bool OpenFile::has_room(std::size_t bytes) const {
  if (bytes_unwritten_ == 0) return true;
  return bytes_unwritten_ + bytes <= limits::kFileBytesUnwritten &&
         here("epic::File").blocking().open_files().bytes_buffered + bytes <= limits::kFilesBytesBuffered;
}

void OpenFile::write(std::optional<std::uint64_t> offset, std::string content) {
  Kernel& kernel = here("epic::File");
  const std::uint64_t at = offset.value_or(position_);
  forget_ahead();
  reads_in_row_ = 0;
  if (!offset && mode_ != FileMode::append) position_ += content.size();
  if (content.empty()) return;
  kernel::calls_here("epic::File").end_turn();
  const kernel::Saving::Seen seen = kernel.saving().seen();
  bytes_unwritten_ += content.size();
  kernel.blocking().open_files().bytes_buffered += content.size();
  if (can_add(at, content.size(), seen)) {
    add(std::move(content));
    return;
  }
  const auto work = make(mode_ == FileMode::append ? FileAction::append_part : FileAction::write_part);
  work->offset = at;
  forming_ = work;
  add(std::move(content));
  forming_seen_ = seen;
  const kernel::Activation* const writer = kernel::activation_of(kernel.current());
  kernel.blocking().hold(work, writer == nullptr ? std::nullopt : std::optional(writer->shard));
  kernel.saving().hold(*kernel.current(), {.kind = kernel::Outgoing::Kind::write, .write = work});
}

bool OpenFile::can_add(std::uint64_t offset, std::size_t bytes, const kernel::Saving::Seen& seen) const {
  return forming_ != nullptr && forming_seen_ == seen && forming_->bytes + bytes <= limits::kFileBytesTogether &&
         (mode_ == FileMode::append || forming_->offset + forming_->bytes == offset);
}

void OpenFile::add(std::string content) {
  std::vector<std::string>& parts = forming_->parts;
  forming_->bytes += content.size();
  if (!parts.empty() && parts.back().size() + content.size() <= limits::kFileBytesCopied)
    parts.back() += content;
  else
    parts.push_back(std::move(content));
}

// ---- its requests ----

bool OpenFile::on_begun(FileWork& work) {
  if (forming_.get() == &work) forming_.reset();
  if (!work.is_change() || work.is_own) return true;
  if (work.generation != generation_) return false;
  if (work.action == FileAction::close) {
    is_closed_ = true;
    handle_.reset();  // the request has the last one
  }
  return true;
}

void OpenFile::on_ended(FileWork& work) {
  if (forming_.get() == &work) forming_.reset();  // refused
  if (work.is_own) return;
  Kernel& kernel = here("epic::File");
  switch (work.action) {
    case FileAction::open:
      if (work.outcome.value) handle_ = std::move(work.outcome.value->handle);
      break;
    case FileAction::write_part:
    case FileAction::append_part:
      bytes_unwritten_ -= work.bytes;
      kernel.blocking().open_files().bytes_buffered -= work.bytes;
      [[fallthrough]];
    case FileAction::sync:
    case FileAction::close:
      if (!work.outcome.exception) break;
      if (!failure_) failure_ = work.outcome.exception;
      ++generation_;
      break;
    case FileAction::read_part:
    case FileAction::size:
    case FileAction::read:  // this and those below are not of an open file
    case FileAction::write:
    case FileAction::append:
    case FileAction::remove:
      break;
  }
  if (waiting_ != nullptr) kernel.parked().resume(*waiting_);
}

// ---- waiting ----

FileTurn::FileTurn(OpenFile& file) : file_(file), previous_(file.last_) {
  (previous_ == nullptr ? file_.first_ : previous_->next_) = this;
  file_.last_ = this;
}

FileTurn::~FileTurn() {
  (previous_ == nullptr ? file_.first_ : previous_->next_) = next_;
  (next_ == nullptr ? file_.last_ : next_->previous_) = previous_;
  if (previous_ != nullptr || next_ == nullptr) return;
  if (Kernel* const kernel = Kernel::current_kernel()) kernel->parked().resume(*next_);
}

bool FileTurn::await_ready() const noexcept {
  return file_.first_ == this && ++file_.count_since_wait_ < limits::kFileDirectMax;
}

std::coroutine_handle<> FileTurn::await_suspend(std::coroutine_handle<> awaiting) noexcept {
  file_.count_since_wait_ = 0;
  const std::coroutine_handle<> next = park(awaiting, WaitsFor::file, 0);
  if (file_.first_ == this) here("epic::File").parked().resume(*this);  // it has only made room for others
  return next;
}

std::coroutine_handle<> FileWait::await_suspend(std::coroutine_handle<> awaiting) noexcept {
  file_.count_since_wait_ = 0;
  file_.waiting_ = this;
  return park(awaiting, WaitsFor::file, 0);
}

}  // namespace epic::detail
