using Attention.Torch.Native;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>Linear algebra on matrices (..., M, N), batch by batch.</summary>
    public static partial class linalg
    {
        /// <summary>Which parts of a QR decomposition are given: Q (M, K) and R (K, N), Q (M, M) and R (M, N), or R alone.</summary>
        public enum QRMode
        {
            Reduced = 0,
            Complete = 1,
            R = 2,
        }

        public static Tensor cholesky(Tensor input) => Aten.Call("linalg_cholesky", input);
        public static (Tensor L, Tensor info) cholesky_ex(Tensor input, bool check_errors = false) =>
            Aten.Call2("linalg_cholesky_ex(self,check_errors)", input, check_errors);
        public static Tensor cond(Tensor input) => Aten.Call("linalg_cond", input);
        public static Tensor cond(Tensor input, double p) => Aten.Call("linalg_cond", input, p);
        public static Tensor cond(Tensor input, int p) => Aten.Call("linalg_cond", input, p);
        public static Tensor cond(Tensor input, string p) => Aten.Call("linalg_cond.p_str", input, p);
        public static Tensor cross(Tensor input, Tensor other, long dim = -1) => Aten.Call("linalg_cross", input, other, dim);
        public static Tensor det(Tensor input) => Aten.Call("linalg_det", input);
        public static Tensor diagonal(Tensor input, int offset = 0, int dim1 = -2, int dim2 = -1) =>
            Aten.Call("linalg_diagonal", input, offset, dim1, dim2);
        public static (Tensor, Tensor) eig(Tensor input) => Aten.Call2("linalg_eig", input);
        public static Tensor eigvals(Tensor input) => Aten.Call("linalg_eigvals", input);
        public static Tensor householder_product(Tensor A, Tensor tau) => Aten.Call("linalg_householder_product", A, tau);
        public static Tensor inv(Tensor input) => Aten.Call("linalg_inv", input);
        public static (Tensor L, Tensor info) inv_ex(Tensor input, bool check_errors = false) =>
            Aten.Call2("linalg_inv_ex", input, check_errors);
        public static (Tensor LU, Tensor? Pivots) ldl_factor(Tensor input, bool hermitian = true) =>
            Aten.Call2("linalg_ldl_factor", input, hermitian);
        public static (Tensor LU, Tensor? Pivots, Tensor? Info) ldl_factor_ex(Tensor input, bool hermitian = true, bool check_errors = false) =>
            Aten.Call3("linalg_ldl_factor_ex", input, hermitian, check_errors);
        public static Tensor ldl_solve(Tensor LD, Tensor pivots, Tensor B, bool hermitian = false) =>
            Aten.Call("linalg_ldl_solve", LD, pivots, B, hermitian);
        public static (Tensor P, Tensor L, Tensor U) lu(Tensor input, bool pivot = true) => Aten.Call3("linalg_lu", input, pivot);
        public static (Tensor LU, Tensor? Pivots) lu_factor(Tensor input, bool pivot = true) =>
            Aten.Call2("linalg_lu_factor", input, pivot);
        public static Tensor matrix_exp(Tensor input) => Aten.Call("linalg_matrix_exp", input);
        public static Tensor matrix_norm(Tensor input, double ord, long[]? dims = null, bool keepdim = false) =>
            Aten.Call("linalg_matrix_norm", input, ord, dims, keepdim);
        public static Tensor matrix_rank(Tensor input, Tensor atol, Tensor? rtol = null, bool hermitian = false) =>
            Aten.Call("linalg_matrix_rank.atol_rtol_tensor", input, atol, rtol, hermitian);
        public static Tensor matrix_rank(Tensor input, double? atol = null, double? rtol = null, bool hermitian = false) =>
            Aten.Call("linalg_matrix_rank.atol_rtol_float", input, atol, rtol, hermitian);
        public static Tensor multi_dot(IList<Tensor> tensors) => Aten.Call("linalg_multi_dot", tensors.ToArray());
        public static Tensor norm(Tensor input, double ord, long[]? dims = null, bool keepdim = false) =>
            Aten.Call("linalg_norm", input, ord, dims, keepdim);
        public static Tensor norm(Tensor input, int ord, long[]? dims = null, bool keepdim = false) =>
            Aten.Call("linalg_norm", input, ord, dims, keepdim);
        public static Tensor norm(Tensor input, long[]? dims = null, bool keepdim = false) =>
            Aten.Call("linalg_norm(self,dim,keepdim)", input, dims, keepdim);
        public static Tensor norm(Tensor input, string ord, long[]? dims = null, bool keepdim = false) =>
            Aten.Call("linalg_norm.ord_str", input, ord, dims, keepdim);
        public static Tensor pinv(Tensor input, Tensor atol, Tensor? rtol = null, bool hermitian = false) =>
            Aten.Call("linalg_pinv.atol_rtol_tensor", input, atol, rtol, hermitian);
        public static Tensor pinv(Tensor input, double? atol = null, double? rtol = null, bool hermitian = false) =>
            Aten.Call("linalg_pinv.atol_rtol_float", input, atol, rtol, hermitian);
        public static (Tensor, Tensor) slogdet(Tensor input) => Aten.Call2("linalg_slogdet", input);
        public static Tensor solve(Tensor A, Tensor B, bool left = true) => Aten.Call("linalg_solve", A, B, left);
        public static (Tensor result, Tensor info) solve_ex(Tensor A, Tensor B, bool left = true, bool check_errors = false) =>
            Aten.Call2("linalg_solve_ex", A, B, left, check_errors);
        public static (Tensor U, Tensor S, Tensor Vh) svd(Tensor input, bool fullMatrices = true) =>
            Aten.Call3("linalg_svd", input, fullMatrices);
        public static Tensor svdvals(Tensor input) => Aten.Call("linalg_svdvals", input);
        public static Tensor tensorinv(Tensor input, long ind) => Aten.Call("linalg_tensorinv", input, ind);
        public static Tensor tensorsolve(Tensor A, Tensor B, long[] dims) => Aten.Call("linalg_tensorsolve", A, B, dims);
        public static Tensor vander(Tensor input, long? N = null) => Aten.Call("linalg_vander", input, N);
        public static Tensor vector_norm(Tensor input, double ord = 2, long[]? dims = null, bool keepdim = false) =>
            Aten.Call("linalg_vector_norm", input, ord, dims, keepdim);
        public static (Tensor, Tensor) eigh(Tensor input, char UPLO = 'L') => Aten.Call2("linalg_eigh", input, UPLO.ToString());
        public static Tensor eigvalsh(Tensor input, char UPLO = 'L') => Aten.Call("linalg_eigvalsh", input, UPLO.ToString());
        public static (Tensor Solution, Tensor Residuals, Tensor Rank, Tensor SingularValues) lstsq(Tensor input, Tensor other) => LeastSquares(input, other, null);
        public static (Tensor Solution, Tensor Residuals, Tensor Rank, Tensor SingularValues) lstsq(Tensor input, Tensor other, double rcond) => LeastSquares(input, other, rcond);
        public static Tensor matrix_norm(Tensor input, string ord = "fro", long[]? dims = null, bool keepdim = false) =>
            Aten.Call("linalg_matrix_norm.str_ord", input, ord, dims, keepdim);
        public static (Tensor Q, Tensor R) qr(Tensor input, QRMode mode = QRMode.Reduced) =>
            Aten.Call2("linalg_qr", input, mode.ToString().ToLowerInvariant());
        public static Tensor lu_solve(Tensor LU, Tensor pivots, Tensor B, bool left = true, bool adjoint = false, Tensor? @out = null) => @out is null
            ? Aten.Call("linalg_lu_solve", LU, pivots, B, left, adjoint)
            : Into(@out, "linalg_lu_solve.out", LU, pivots, B, left, adjoint, @out);
        public static Tensor solve_triangular(Tensor A, Tensor B, bool upper, bool left = true, bool unitriangular = false, Tensor? @out = null) => @out is null
            ? Aten.Call("linalg_solve_triangular", A, B, upper, left, unitriangular)
            : Into(@out, "linalg_solve_triangular.out", A, B, upper, left, unitriangular, @out);
        public static Tensor vecdot(Tensor x, Tensor y, long dim = -1, Tensor? @out = null) => @out is null
            ? Aten.Call("linalg_vecdot", x, y, dim)
            : Into(@out, "linalg_vecdot.out(x,y,dim,out)", x, y, dim, @out);

        private static (Tensor, Tensor, Tensor, Tensor) LeastSquares(Tensor input, Tensor other, double? rcond)
        {
            var results = Aten.CallMany("linalg_lstsq", input, other, rcond);
            return (results[0], results[1], results[2], results[3]);
        }
    }
}
