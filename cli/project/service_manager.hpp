#pragma once
// ServiceManager: what systemd is told about a fabric that it runs as a service (Type=notify).

#include <string_view>

namespace epic::cli {

/// Sends `state` ("READY=1") to the service manager that started this process. Nothing happens if there is none, or if
/// it does not listen.
void notify_service_manager(std::string_view state);

}  // namespace epic::cli
