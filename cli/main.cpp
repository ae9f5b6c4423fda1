#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <initializer_list>

#include "cli/app.hpp"

int main(int argc, char** argv) {
  // If one of the three standard streams is closed, the next file or socket would get its descriptor. Opening /dev/null
  // with the wrong access mode there makes writes fail, and the failure is reported.
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(fd, F_GETFD) < 0) static_cast<void>(::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY));
  // Nobody else may write to what is made here, by the compiler or by nodes: it will run, or be believed.
  ::umask(::umask(0) | S_IWOTH);
  return epic::cli::run_app(argc, argv);
}
