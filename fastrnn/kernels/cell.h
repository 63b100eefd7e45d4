/* What the driver of all cells (recurrence.pyx) and a cell's own functions (cells/NAME.h) share:
   what one time step is, and what a cell says of itself. Included by table.h. */

#include <stdint.h>

/* Units, or columns, from begin until before end; of columns there may be count such blocks, each
   stride further on than the one before. */
typedef struct {
    int64_t begin, end, count, stride;
} range;

enum { MAX_EXTRA = 4 };

/* One time step of some sequences. Rows of arrays follow each other without gaps; G are the gates,
   K is what the cell keeps beside them. Elements are float or double, as the function called has
   it. What a cell does not have is NULL. */
typedef struct {
    int64_t rows, H;
    range units;                  /* whose results are wanted */
    int option;                   /* of a cell that has one: which of its choices */
    const void *b;                /* (G H,): bias, for cells that add it themselves */
    const void *extra[MAX_EXTRA]; /* the cell's own parameters, in the registry's order */
    void *gates;                  /* (rows, G H) */
    const void *recurrent;        /* (rows, G H): the recurrent product, for APART */
    void *kept;                   /* (rows, K H) */
    const void *h_in;             /* (rows, H): the state as it enters the products, for TWICE */
    const void *h_prev, *c_prev;  /* (rows, H): where the step begins */
    void *h, *c;                  /* (rows, H): where it ends; may be h_prev, c_prev */
    const void *dy;               /* (rows, H): gradient of h from above, or NULL */
    void *dh, *dc;           /* (rows, H): of h and c from step t + 1; dc of c_prev on return */
    void *dreset;            /* (rows, H): of the first half of kept, for TWICE */
    void *db;                /* (G H,): added to, for cells that add b themselves */
    void *dextra[MAX_EXTRA]; /* added to */
} step;

/* How the products enter. */
enum {
    SUM,   /* gates = x W + h U + b */
    APART, /* gates = x W + b, recurrent = h U; the gradient of the last blocks of recurrent stands
              in kept, that of the others in gates */
    TWICE  /* gates = x W + h U + b, but in the last blocks, kept U in place of h U: first_forward
              fills kept from the other blocks */
};

/* What a cell says of itself. */
typedef struct {
    const char *name;
    int form;        /* SUM, APART or TWICE */
    int kept;        /* K */
    int last;        /* APART, TWICE: how many blocks of gates are the last ones */
    int drops_gates; /* whether the way back needs no gates, but room for their gradient */
    int adds;        /* whether dh holds what reaches h_prev beside the recurrent product */
    int last_bias;  /* whether extra[0] is added in the last blocks: the driver sums its gradient */
    int adds_bias;  /* whether it adds b itself, and to db */
    int whole_rows; /* whether units depend on each other within a step: no teams */
    /* gates, recurrent, h_prev, c_prev to h, c, and what is to be kept in gates and kept. */
    void (*forward)(const step *);
    /* That, dy, dh and dc to the gradients of gates and recurrent in their place, dh and dc. */
    void (*backward)(const step *);
    void (*first_forward)(const step *);  /* TWICE: gates and h_in to kept */
    void (*first_backward)(const step *); /* TWICE: dreset to that of gates, and of h_in */
} cell;
