#pragma once
// ScriptRun: the part of epic::testing::Script (script.hpp) that does not depend on the class: the kernel that runs the
// entity, and what it has asked for so far.

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <typeinfo>
#include <vector>

#include "epic/epic.hpp"

namespace epic::detail {

/// On the thread that made it.
class ScriptRun {
 public:
  ScriptRun(const ModuleInfo& module, std::string_view entity);
  ScriptRun(const ScriptRun&) = delete;
  ScriptRun& operator=(const ScriptRun&) = delete;
  ~ScriptRun();

  /// Runs the call until it has ended or waits. It may outlive the script.
  void start(RecordPtr<CallRecord> record, std::shared_ptr<bool> has_ended);
  /// Takes the next token, a call of this method; fills the tuple `arguments`. Returns the call's number.
  std::uint64_t take_call(std::string_view entity, std::string_view method, const reflect::TypeInfo& type,
                          void* arguments);
  /// Takes the next message, a call of this method; fills the tuple `arguments`.
  void take_mail(std::string_view entity, std::string_view method, const reflect::TypeInfo& type, void* arguments);
  /// Takes the next change of a reminder, which sets it so; fills the tuple `arguments`. `every`: 0: once.
  void take_reminder(std::string_view name, std::chrono::nanoseconds due_in, std::chrono::nanoseconds every,
                     std::string_view method, const reflect::TypeInfo& type, void* arguments);
  /// Takes the change that removes the reminder.
  void take_forgotten(std::string_view name);
  void take_sleep(std::chrono::nanoseconds duration);
  /// Takes the next call, which is one of epic::list. Returns its number.
  std::uint64_t take_list(std::string_view type, std::string_view prefix, ListOptions& options);
  /// Takes the next function of epic::blocking, which returns this type.
  std::shared_ptr<BlockingWork> take_blocking(const std::type_info& result);
  /// Takes the next request for a file.
  std::shared_ptr<BlockingWork> take_file(FileAction action, std::string_view path);
  /// Takes the request that opens a file.
  std::shared_ptr<BlockingWork> take_open(std::string_view path, FileMode mode);
  /// The work has run, or was failed or given its outcome. Called once.
  void end_blocking(const std::shared_ptr<BlockingWork>& work);
  /// Takes the next tick of a timer. `name`: of the method, for errors.
  void take_tick(bool (*is_meant)(const MethodPointer& method), std::string_view name, std::chrono::nanoseconds delay);
  /// `type` is null for void. A call is answered once.
  void answer(std::uint64_t call, const reflect::TypeInfo* type, const void* result);
  void fail(std::uint64_t call, const std::exception_ptr& exception);
  [[nodiscard]] bool is_cancelled(std::uint64_t call) const;
  void pass(std::chrono::nanoseconds duration);
  void announce_stop();

  [[nodiscard]] std::string state();
  [[nodiscard]] const std::vector<std::string>& log() const;
  [[noreturn]] void refuse(std::string_view what) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace epic::detail

namespace epic::testing {

/// The entity did something other than the test expects, or the test asks for what is not there yet.
class ScriptError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

}  // namespace epic::testing
