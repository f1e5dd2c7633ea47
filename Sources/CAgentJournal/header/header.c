// The functions are in Swift, beside this directory. Here it is only seen that the header is a header by itself.
#include "agent_journal.h"
