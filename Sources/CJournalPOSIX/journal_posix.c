#include "journal_posix.h"
