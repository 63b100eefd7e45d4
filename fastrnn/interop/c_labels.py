"""The text of the functions of C that say the labels of sequences.

Heads are those of three functions: of the next step, of the end, and of whole sequences.
"""


def label_prototypes(prefix, heads, is_late):
    """Write the prototypes; `is_late` says whether labels come some steps late."""
    push, finish, whole = heads
    later = ""
    if is_late:
        later = f"""
   It is said once no later step can change it, some steps late: {prefix}_finish says the rest."""
    return f"""\
/* Read the next step, as {prefix}_step does, and say a label instead: where the likeliest output is
   another one than at the step before, and no blank.{later}
   Returns 1 if there is a new label, whose place in {prefix}_classes *label receives; 0 if there is
   none; or -1 as {prefix}_step. */
{push};

/* Say that the sequence ends here, and begin a new one.
   Returns how many labels are left, which labels receives: up to {prefix.upper()}_N_REST. */
{finish};

/* Say the labels of a whole sequence: labels, with room for n_steps, receives them.
   Returns how many there are, or -1 as {prefix}_run. */
{whole};
"""


def label_functions(prefix, heads, x, ids):
    """Write the functions; x and ids are what they give as such."""
    push, finish, whole = heads
    return f"""
{push}
{{
    return say(stream, {x}, {ids}, label);
}}

{finish}
{{
    return say_rest(stream, labels);
}}

{whole}
{{
    {prefix}_stream stream;

    reset(&stream);
    return say_all(&stream, {x}, {ids}, n_steps, labels);
}}
"""
