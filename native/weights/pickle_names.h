// The few names of Python's that a checkpoint may use, and what stands in place of calling them. A
// name that is not here is refused when it is read.
#pragma once

#include <string>

#include "weights/pickle_stack.h"

namespace latentray::pickle {

// ERR_WEIGHTS_UNSAFE with `origin` and `global` where the name is none of them.
void require_known(const std::string& name, const std::string& origin);

// Arguments and a name lie on the stack: in their place, what the name would have made of them.
void call(Stack& stack);

// A state lies on the stack, on the object that it is given to, which stays.
void give_state(Stack& stack);

// A storage's description lies on the stack: in its place, the Storage.
void describe_storage(Stack& stack);

}  // namespace latentray::pickle
