#pragma once
// Files in a script (script.hpp): a request for a whole file is a token, and so is the opening of one. What the entity
// then does with its epic::File is not: the file is in the test's memory, which the test fills and looks at.

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "epic/file.hpp"
#include "epic/script_run.hpp"

namespace epic::detail {

/// A file that the entity has open, in the test's memory.
class ScriptFile final : public FileHandle {
 public:
  std::size_t read_at(std::uint64_t offset, std::span<char> into) override {
    check();
    return offset < content.size() ? content.copy(into.data(), into.size(), offset) : 0;
  }
  void write_at(std::uint64_t offset, std::string_view written) override {
    check();
    if (content.size() < offset + written.size()) content.resize(offset + written.size());
    content.replace(offset, written.size(), written);
  }
  void append(std::string_view written) override {
    check();
    content += written;
  }
  void sync() override { check(); }
  std::uint64_t size() override {
    check();
    return content.size();
  }

  std::string content;
  std::exception_ptr failure;  // of everything

 private:
  void check() const {
    if (failure) std::rethrow_exception(failure);
  }
};

}  // namespace epic::detail

namespace epic::testing {

/// The token of a request for a file: see reads().
struct FileToken {
  epic::detail::FileAction action;
  std::string path;
};

/// The token of a file that is opened: see opens().
struct OpenToken {
  std::string path;
  FileMode mode;
};

/// The entity reads a file of the project's, or writes, appends to or removes one.
[[nodiscard]] inline FileToken reads(std::string_view path) {
  return {epic::detail::FileAction::read, std::string(path)};
}
[[nodiscard]] inline FileToken writes(std::string_view path) {
  return {epic::detail::FileAction::write, std::string(path)};
}
[[nodiscard]] inline FileToken appends(std::string_view path) {
  return {epic::detail::FileAction::append, std::string(path)};
}
[[nodiscard]] inline FileToken removes(std::string_view path) {
  return {epic::detail::FileAction::remove, std::string(path)};
}
/// The entity opens a file. What it does with its File afterwards is no token, and needs no answer.
[[nodiscard]] inline OpenToken opens(std::string_view path, FileMode mode = FileMode::read) {
  return {std::string(path), mode};
}

/// A request of the entity's for a file. The test says what comes of it, once.
class AskedFile {
 public:
  AskedFile(epic::detail::ScriptRun& run, const FileToken& token)
      : run_(run), work_(run.take_file(token.action, token.path)) {}

  /// What the entity writes or appends.
  [[nodiscard]] const std::string& content() const { return work_->as_file()->content; }
  /// It is done; a file that was read has this content.
  void answer(std::string content = {}) const { end({.content = std::move(content), .was_there = true}); }
  /// There was no such file to be removed. When it was to be read: fail().
  void answer_missing() const { end({.content = {}, .was_there = false}); }
  /// It throws: usually a std::filesystem::filesystem_error.
  template <class Exception>
  void fail(Exception exception) const {
    work_->fail(std::make_exception_ptr(std::move(exception)));
    run_.end_blocking(work_);
  }
  /// Nobody waits for it any longer.
  [[nodiscard]] bool is_cancelled() const { return work_->is_abandoned(); }

 private:
  void end(epic::detail::FileResult result) const {
    work_->as_file()->outcome.value.emplace(std::move(result));
    run_.end_blocking(work_);
  }

  epic::detail::ScriptRun& run_;
  std::shared_ptr<epic::detail::BlockingWork> work_;
};

/// A file that the entity opens.
class AskedOpen {
 public:
  AskedOpen(epic::detail::ScriptRun& run, const OpenToken& token)
      : run_(run), mode_(token.mode), work_(run.take_open(token.path, token.mode)) {}

  /// It is open, and has this content, unless it is opened to be written anew.
  void answer(std::string content = {}) const {
    if (mode_ != FileMode::write) file_->content = std::move(content);
    work_->as_file()->outcome.value.emplace().handle = file_;
    run_.end_blocking(work_);
  }
  /// It throws: usually a std::filesystem::filesystem_error.
  template <class Exception>
  void fail(Exception exception) const {
    work_->fail(std::make_exception_ptr(std::move(exception)));
    run_.end_blocking(work_);
  }
  /// What is in it now.
  [[nodiscard]] const std::string& content() const { return file_->content; }
  /// Whatever is done with it throws this, until work_again().
  template <class Exception>
  void break_with(Exception exception) const {
    file_->failure = std::make_exception_ptr(std::move(exception));
  }
  void work_again() const { file_->failure = nullptr; }
  /// Nobody waits for it any longer.
  [[nodiscard]] bool is_cancelled() const { return work_->is_abandoned(); }
  /// The entity has it open.
  [[nodiscard]] bool is_open() const { return file_.use_count() > 1; }

 private:
  epic::detail::ScriptRun& run_;
  FileMode mode_;
  std::shared_ptr<epic::detail::BlockingWork> work_;
  // Shared with the entity's File.
  std::shared_ptr<epic::detail::ScriptFile> file_ = std::make_shared<epic::detail::ScriptFile>();
};

}  // namespace epic::testing
