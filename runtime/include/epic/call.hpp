#pragma once
// Call: one call of an entity's method, from `ref->method(args)` to its result.
//
// The proxy moves the arguments into a call record. Awaiting the Call hands the record to the kernel, which starts the
// method at once, queues it, or encodes the arguments and sends them. The result is stored in the record, never in the
// caller's frame, so a caller that stops waiting leaves nothing dangling. Both ends of a remote call use the same
// record type: the callee's node decodes the arguments into one.
//
// Invariant: a record ends exactly once, with an outcome or a failure.
// Not here:  routing, deadlines, locks (the kernel).

#include <chrono>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "epic/entity_info.hpp"
#include "epic/ref.hpp"
#include "epic/task.hpp"
#include "epic/values.hpp"

namespace epic {
class Entity;

namespace detail {

class CallRecord;
class CachedPart;  // cached.hpp
struct CallSite;   // the kernel's part of a record

/// A frame that waits for one or more records. Lives in that frame, and detaches itself when the frame is destroyed.
struct Waiter {
  std::coroutine_handle<> handle;
  CallRecord* execution = nullptr;  // the execution to resume; null: none
  std::uint32_t remaining = 0;
  std::uint32_t queue_place = 0;  // in the run queue, about to resume; 0: it is not there
  std::uint32_t resume_at = 0;    // as soon as no more than so many remain
  [[nodiscard]] bool is_due() const { return remaining <= resume_at && queue_place == 0; }
};

struct CallSite;
void delete_site(CallSite* site) noexcept;

/// The non-virtual part comes first: the kernel touches it on every call.
class CallRecord {
 public:
  enum class State : std::uint8_t {
    made,
    queued,   // about to start, or on its way to its entity: until what it has seen is durable, or its shard is ready
    loading,  // until its entity is active
    locked_out,
    sharing,  // until an equal call, made before, has ended (cached.hpp)
    running,
    sent,
    ended
  };

  /// What its code gets where it next waits for something other than calls, or is waiting.
  enum class Cancel : std::uint8_t {
    no,
    asked,   // epic::Cancelled
    thrown,  // nothing any more: it has got that
  };

  CallRecord(const CallRecord&) = delete;
  CallRecord& operator=(const CallRecord&) = delete;

  std::uint32_t refs = 1;
  State state = State::made;
  bool is_read_only = false;
  bool is_exclusive = false;
  bool holds_lock = false;
  bool has_custom_deadline = false;
  bool is_listed = false;     // in the kernel's table of pending calls
  bool is_joined = false;     // given to gather, which reports its error
  bool has_run = false;       // its method has started
  bool is_abandoned = false;  // the caller has its answer, the method still runs
  bool is_broadcast = false;  // one of many equal calls, whose results are not wanted
  bool is_cached = false;     // a copy of an earlier result may answer it
  Cancel cancel = Cancel::no;
  const reflect::MethodInfo* method = nullptr;  // null: setup, a hook, a helper given to spawn
  NamePtr callee;
  void* activation = nullptr;    // the kernel's Activation that runs it
  CallRecord* caller = nullptr;  // the execution waiting for it; null for outside or detached calls
  Waiter* waiter = nullptr;
  CallRecord* previous = nullptr;  // the kernel's list of pending calls
  CallRecord* next = nullptr;
  std::int64_t deadline_ns = 0;  // on the kernel's clock
  std::int64_t timeout_ns = 0;   // 0: the default
  std::uint64_t sequence = 0;    // sequence number in the calling kernel
  std::uint64_t observed = 0;    // newest commit observed, if there is no activation
  std::exception_ptr failure;    // set by the kernel: timeout, node lost, refused …
  CallSite* site = nullptr;      // for calls from or to another process; owned by the kernel

  /// Creates the method's Task and returns its frame. `entity` is null for setup.
  virtual std::coroutine_handle<> start(Entity* entity) = 0;
  /// Destroys the frame, wherever it is suspended.
  virtual void destroy_frame() noexcept = 0;
  /// The std::tuple of arguments, as described by method->arguments.
  virtual void* arguments() noexcept = 0;
  /// The result, as described by method->result; null for void, or before the method has returned.
  virtual void* result() noexcept = 0;
  /// A default-constructed result to decode into; null for void.
  virtual void* emplace_result() = 0;
  [[nodiscard]] virtual std::exception_ptr thrown() const noexcept = 0;
  /// Null unless is_cached.
  [[nodiscard]] virtual CachedPart* cached_part() noexcept { return nullptr; }

  void release() noexcept {
    if (--refs == 0) delete this;
  }
  static void* operator new(std::size_t size_bytes) { return allocate_frame(size_bytes); }
  static void operator delete(void* record, std::size_t size_bytes) noexcept { free_frame(record, size_bytes); }

 protected:
  CallRecord() = default;
  virtual ~CallRecord() {
    if (site != nullptr) delete_site(site);
  }
};

/// Owns one reference to a record. Execution thread only.
template <class Record>
class RecordPtr {
 public:
  RecordPtr() = default;
  explicit RecordPtr(Record* adopted) noexcept : record_(adopted) {}
  RecordPtr(const RecordPtr& other) noexcept : record_(other.record_) {
    if (record_ != nullptr) ++record_->refs;
  }
  RecordPtr(RecordPtr&& other) noexcept : record_(std::exchange(other.record_, nullptr)) {}
  RecordPtr& operator=(RecordPtr other) noexcept {
    std::swap(record_, other.record_);
    return *this;
  }
  ~RecordPtr() {
    if (record_ != nullptr) record_->release();
  }
  static RecordPtr share(Record& record) noexcept {
    ++record.refs;
    return RecordPtr(&record);
  }
  [[nodiscard]] Record* get() const { return record_; }
  Record* operator->() const { return record_; }
  Record& operator*() const { return *record_; }
  explicit operator bool() const { return record_ != nullptr; }
  Record* detach() noexcept { return std::exchange(record_, nullptr); }

 private:
  Record* record_ = nullptr;
};

/// A record that ends with an Outcome<R>.
template <class R>
class ResultRecord : public CallRecord {
 public:
  Outcome<R> outcome;
  Task<R> task;

  void destroy_frame() noexcept override { task.reset(); }
  void* result() noexcept override {
    if constexpr (std::is_void_v<R>)
      return nullptr;
    else
      return outcome.value ? &*outcome.value : nullptr;
  }
  void* emplace_result() override {
    if constexpr (std::is_void_v<R>)
      return nullptr;
    else
      return &outcome.value.emplace();
  }
  [[nodiscard]] std::exception_ptr thrown() const noexcept override { return outcome.exception; }
  R take() {
    if (failure) std::rethrow_exception(failure);
    return outcome.take();
  }

 protected:
  std::coroutine_handle<> adopt(Task<R> body) noexcept {
    task = std::move(body);
    auto& promise = task.handle().promise();
    promise.record = this;
    promise.outcome = &outcome;
    return task.handle();
  }
};

// ---- what the kernel provides for the templates below; execution thread only ----

/// Starts a call for the frame `waiter.handle`. Returns the coroutine to run next.
std::coroutine_handle<> begin_call(CallRecord& record, Waiter& waiter) noexcept;
/// Queues a call that has no waiter yet (gather, spawn).
void begin_detached(CallRecord& record);
/// True if the call has ended; the current execution has observed that then.
bool has_ended(CallRecord& record) noexcept;
/// The same; otherwise `waiter` is resumed when it ends.
bool wait_for(CallRecord& record, Waiter& waiter) noexcept;
/// Suspends the current execution until `waiter` is resumed. Returns the coroutine to run next: the frame itself if
/// there is nothing to wait for.
std::coroutine_handle<> suspend_on(Waiter& waiter) noexcept;
/// The execution whose turn is running; null outside a turn.
CallRecord* current_execution() noexcept;
/// The waiting frame is being destroyed: the record must not resume it.
void stop_waiting(CallRecord& record, Waiter& waiter) noexcept;
/// A call is gone that was never awaited.
void note_dropped(const CallRecord& call) noexcept;
[[noreturn]] void throw_empty_ref(std::string_view method);
/// Ends the wait for a call, and the call if it can be (Spawned::cancel).
void cancel(CallRecord& record);
/// The current execution was cancelled where it was suspended.
[[noreturn]] void throw_cancelled();

// ---- one method ----

template <class Pointer>
struct MethodTraits;
template <class T, class R, class... Args>
struct MethodTraits<R (T::*)(Args...)> {
  using Class = T;
  using Return = R;
  using Arguments = std::tuple<std::remove_cvref_t<Args>...>;
  static constexpr bool kReadOnly = false;
  static constexpr bool kByValue = (!std::is_reference_v<Args> && ...) && (!std::is_pointer_v<Args> && ...);
};
template <class T, class R, class... Args>
struct MethodTraits<R (T::*)(Args...) const> : MethodTraits<R (T::*)(Args...)> {
  static constexpr bool kReadOnly = true;
};
template <class T, class R, class... Args>
struct MethodTraits<R (T::*)(Args...) noexcept> : MethodTraits<R (T::*)(Args...)> {};
template <class T, class R, class... Args>
struct MethodTraits<R (T::*)(Args...) const noexcept> : MethodTraits<R (T::*)(Args...) const> {};

template <class T>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<Task<T>> = true;

/// "enter_level", taken from the compiler's text for &Player::enter_level.
template <auto Pointer>
constexpr std::string_view method_name_of() {
  constexpr std::string_view text = __PRETTY_FUNCTION__;
  constexpr std::string_view name = text.substr(0, text.rfind(']'));
  return name.substr(name.rfind("::") + 2);
}

/// False. The compiler's message about a wrong call shows what it is instantiated with.
template <auto Pointer, class Takes, class Gets>
inline constexpr bool is_call_of = false;
template <class... Parameters>
struct Takes;
template <class... Arguments>
struct Gets;

/// Stands for an overloaded method.
struct Overloaded {
  bool operator==(const Overloaded&) const = default;
};
/// The pointer that `pick` returns for T, or Overloaded.
template <class T, class Pick>
constexpr auto one_method(Pick pick) {
  if constexpr (requires { pick(static_cast<T*>(nullptr)); })
    return pick(static_cast<T*>(nullptr));
  else
    return Overloaded{};
}

template <class Pointer>
inline constexpr bool is_valid_method = false;
template <class Pointer>
  requires requires { typename MethodTraits<Pointer>::Return; }
inline constexpr bool is_valid_method<Pointer> =
    is_task<typename MethodTraits<Pointer>::Return> && MethodTraits<Pointer>::kByValue;

/// False, with a static_assert in the user's terms, if the method cannot be called remotely.
template <auto Pointer>
constexpr bool check_method() {
  using Type = decltype(Pointer);
  if constexpr (std::is_same_v<Type, Overloaded>) {
    static_assert(
        !std::is_same_v<Type, Overloaded>,
        "epic: a method listed in EPIC_ENTITY must exist and must not be overloaded: other processes call it by name, "
        "so give each method its own name");
  } else if constexpr (!requires { typename MethodTraits<Type>::Return; }) {
    static_assert(std::is_same_v<Type, Overloaded>,
                  "epic: methods(...) and exclusive(...) must list member functions that are not static; data members "
                  "belong in state(...)");
  } else {
    static_assert(
        is_task<typename MethodTraits<Type>::Return>,
        "epic: a method listed in EPIC_ENTITY must return epic::Task<...>: it can be called from another process");
    static_assert(
        MethodTraits<Type>::kByValue,
        "epic: a method listed in EPIC_ENTITY must take its parameters by value, not by reference or pointer: the "
        "caller may be in another process");
  }
  return is_valid_method<Type>;
}

template <class Return>
struct TaskValue {
  using type = void;
};
template <class T>
struct TaskValue<Task<T>> {
  using type = T;
};

template <auto Pointer>
using ResultOf = typename TaskValue<typename MethodTraits<decltype(Pointer)>::Return>::type;

template <auto Pointer, reflect::Locking locking>
const reflect::MethodInfo& method_info();

/// The table of a method's arguments: a tuple, or a record with field names if the class has params(…) for the method.
template <auto Pointer>
const reflect::TypeInfo& arguments_info() {
  using Traits = MethodTraits<decltype(Pointer)>;
  static const reflect::TypeInfo info = [] {
    reflect::TypeInfo arguments = reflect::type_of<typename Traits::Arguments>();
    if constexpr (requires { Traits::Class::epic_parameter_names(std::string_view()); }) {
      const auto names = Traits::Class::epic_parameter_names(method_name_of<Pointer>());
      if (names.empty()) return arguments;
      static std::vector<reflect::FieldInfo> fields(arguments.fields.begin(), arguments.fields.end());
      for (std::size_t i = 0; i < std::min(fields.size(), names.size()); ++i) fields[i].name = names[i];
      arguments.kind = reflect::Kind::record;
      arguments.name = method_name_of<Pointer>();
      arguments.fields = fields;
    }
    return arguments;
  }();
  return info;
}

/// The record of a call to one method.
template <auto Pointer, reflect::Locking locking>
class MethodRecord : public ResultRecord<ResultOf<Pointer>> {
  using Traits = MethodTraits<decltype(Pointer)>;

 public:
  typename Traits::Arguments args;

  template <class... Values>
  explicit MethodRecord(Values&&... values) : args(std::forward<Values>(values)...) {
    this->method = &method_info<Pointer, locking>();
    this->is_read_only = Traits::kReadOnly;
    this->is_exclusive = locking == reflect::Locking::exclusive;
  }
  std::coroutine_handle<> start(Entity* entity) override {
    return std::apply(
        [&](auto&... values) {
          return this->adopt((static_cast<typename Traits::Class*>(entity)->*Pointer)(std::move(values)...));
        },
        args);
  }
  void* arguments() noexcept override { return &args; }
};

template <auto Pointer, reflect::Locking locking>
const reflect::MethodInfo& method_info() {
  using Traits = MethodTraits<decltype(Pointer)>;
  using R = ResultOf<Pointer>;
  static constexpr reflect::MethodInfo info{
      .name = method_name_of<Pointer>(),
      .arguments = &arguments_info<Pointer>,
      .result =
          [] {
            if constexpr (std::is_void_v<R>)
              return reflect::TypeFn{nullptr};
            else
              return reflect::TypeFn{&reflect::type_of<R>};
          }(),
      .access = Traits::kReadOnly ? reflect::Access::read_only : reflect::Access::read_write,
      .locking = locking,
      .make_record = []() -> CallRecord* { return new MethodRecord<Pointer, locking>(); },
      .is_method =
          [](const std::type_info& type, const void* pointer) {
            using Type = decltype(Pointer);
            return type == typeid(Type) && *static_cast<const std::remove_const_t<Type>*>(pointer) == Pointer;
          },
      .owner = &reflect::entity_info_of<typename Traits::Class>};
  return info;
}

}  // namespace detail

/// A call that has not started. Await it, or give it to gather() or spawn(). One that is dropped instead never happens,
/// and the node logs a warning, once for each method. Execution thread only.
template <class R>
class [[nodiscard("epic: a call does not start until it is awaited, or given to gather or spawn")]] Call {
 public:
  using value_type = R;
  using EpicAwaitable = void;

  explicit Call(detail::RecordPtr<detail::ResultRecord<R>> record) : record_(std::move(record)) {}
  Call(Call&&) noexcept = default;
  Call& operator=(Call&&) noexcept = default;
  ~Call() {
    if (record_) [[unlikely]]
      detail::note_dropped(*record_);
  }

  class Awaiter {
   public:
    explicit Awaiter(detail::RecordPtr<detail::ResultRecord<R>> record) : record_(std::move(record)) {}
    Awaiter(const Awaiter&) = delete;
    Awaiter& operator=(const Awaiter&) = delete;
    ~Awaiter() {
      if (record_->waiter == &waiter_ || waiter_.queue_place != 0) detail::stop_waiting(*record_, waiter_);
    }
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
      waiter_.handle = awaiting;
      return detail::begin_call(*record_, waiter_);
    }
    R await_resume() { return record_->take(); }

   private:
    detail::RecordPtr<detail::ResultRecord<R>> record_;
    detail::Waiter waiter_;
  };
  Awaiter operator co_await() && noexcept { return Awaiter(std::move(record_)); }

  /// For gather, spawn and clients: moves the record out of this Call.
  detail::RecordPtr<detail::ResultRecord<R>> epic_take_record() && { return std::move(record_); }

 private:
  detail::RecordPtr<detail::ResultRecord<R>> record_;
};

namespace detail {

/// One member of a proxy. All members lie in one union, so a proxy is one pointer, however many methods the class has.
/// A method that cannot be called has no operator(); the EntityBuilder reports why.
template <auto Pointer, reflect::Locking locking, class Signature = decltype(Pointer)>
struct Method {
  const Target* target;
};

#define EPIC_DEFINE_METHOD(qualifiers)                                                                              \
  template <auto Pointer, reflect::Locking locking, class T, class R, class... Args>                                \
    requires is_valid_method<R (T::*)(Args...) qualifiers>                                                          \
  struct Method<Pointer, locking, R (T::*)(Args...) qualifiers> {                                                   \
    const Target* target;                                                                                           \
    auto operator()(Args... args) const {                                                                           \
      using Record = MethodRecord<Pointer, locking>;                                                                \
      using Result = ResultOf<Pointer>;                                                                             \
      if (!*target->name) throw_empty_ref(method_name_of<Pointer>());                                               \
      auto* record = new Record(std::move(args)...);                                                                \
      record->callee = *target->name;                                                                               \
      record->timeout_ns = target->timeout.count();                                                                 \
      return Call<Result>(RecordPtr<ResultRecord<Result>>(record));                                                 \
    }                                                                                                               \
    static void take(Args...);                                                                                      \
    template <class... Values>                                                                                      \
      requires(!requires(Values&&... values) { take(std::forward<Values>(values)...); })                            \
    auto operator()(Values&&...) const {                                                                            \
      static_assert(is_call_of<Pointer, Takes<Args...>, Gets<std::decay_t<Values>...>>,                             \
                    "epic: these are not the method's parameters: it takes what is behind Takes, and gets what is " \
                    "behind Gets");                                                                                 \
      return Call<ResultOf<Pointer>>({});                                                                           \
    }                                                                                                               \
  }
EPIC_DEFINE_METHOD();
EPIC_DEFINE_METHOD(const);
EPIC_DEFINE_METHOD(noexcept);
EPIC_DEFINE_METHOD(const noexcept);
#undef EPIC_DEFINE_METHOD

}  // namespace detail
}  // namespace epic
