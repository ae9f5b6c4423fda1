// The only translation unit with Boost.JSON's implementation; all others include only its headers.
#include <boost/json/src.hpp>
